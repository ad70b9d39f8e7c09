"""The last good catalogue on disk: what a service starts from when the store is away.

The file is ``art:current`` as a JSON line, the generation's meta as a JSON line, then the compressed catalogue.
"""

import asyncio
import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from bandit.errors import RowError
from bandit.snapshot import decode_current, decode_meta, encode_json
from service.catalogue import Serving, build_serving


def keep(path: Path, serving: Serving) -> None:
    """Replace the file whole: written beside it, synced, renamed.

    Raises:
        OSError: the disk refused; the file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"\n".join((encode_json(serving.current), encode_json(serving.meta), serving.packed))
    # A name of its own for each writer: several processes may keep the same file.
    with NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


async def load_kept(path: Path) -> Serving | None:
    """What ``keep`` wrote, or None where there is no file.

    Raises:
        OSError: the file cannot be read.
        RowError: the file is damaged.
    """
    try:
        content = await asyncio.to_thread(path.read_bytes)
    except FileNotFoundError:
        return None
    lines = content.split(b"\n", 2)
    if len(lines) != 3:
        raise RowError("kept", f"{path} has {len(lines)} of 3 parts; delete it")
    return await build_serving(decode_current(lines[0]), decode_meta(lines[1]), lines[2])
