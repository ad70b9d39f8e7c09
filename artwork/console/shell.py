"""Commands of ours as somebody can paste them into another shell, in another folder, without our environment."""

import os
import shlex
import sys
from pathlib import Path

from bandit.urls import URL_VARIABLE, show_url


def pasted(*words: object) -> str:
    """A command of ours, with the path of this installation's ``artwork`` and words quoted; paths are made absolute.

    Where ``ARTWORK_REDIS_URL`` says which store is used, it stands before; a password in it is left for the reader to fill in.
    """
    script = Path(sys.executable).with_name("artwork")
    program = [str(script)] if script.is_file() else [sys.executable, "-P", "-m", "artwork.cli"]
    given = [str(word.absolute()) if isinstance(word, Path) else str(word) for word in words]
    url = os.environ.get(URL_VARIABLE)
    store = f"{URL_VARIABLE}={shlex.quote(show_url(url))} " if url else ""
    return store + shlex.join([*program, *given])
