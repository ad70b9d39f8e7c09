"""Whether every node of a cluster would compute the same as this machine, and sees the same workspace.

What a node says of itself is a plain record. It is judged where the job was started, and by the node itself if it joins later.
"""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from typing import Final

from bandit.errors import SurroundingsError

LIBRARIES: Final = ("numpy", "scipy", "numba", "llvmlite", "polars")
"""What decides the bytes of a result, apart from our own code."""

_PACKAGES: Final = ("bandit", "batch")
_CPUINFO: Final = Path("/proc/cpuinfo")
_NONE: Final = "none"
_FOLDER: Final = ".nodes-"
_DRIVER: Final = "driver"
_REINSTALL: Final = "install the same release of artwork-bandit there, from the same requirements"


@dataclass(frozen=True)
class NodeFacts:
    """What a node says of itself: the version of Python (3.11), a digest of our sources, versions of libraries, its processor.

    ``trouble`` is why it does not see the workspace; empty where it does.
    """

    node: str
    python: str
    code: str
    libraries: tuple[tuple[str, str], ...]
    processor: str
    trouble: str = ""


@dataclass(frozen=True)
class Meeting:
    """A folder in the workspace, for as long as a job lasts: the driver wrote ``nonce`` there, and each node does."""

    folder: Path
    nonce: str

    def visit(self, node_id: str) -> str:
        """Read what the driver wrote and leave the same; what is wrong, as a node sees it, or nothing."""
        try:
            seen = (self.folder / _DRIVER).read_text(encoding="utf-8")
            if seen != self.nonce:
                return f"{self.folder / _DRIVER} holds {seen[:40]!r} there, expected {self.nonce!r}"
            (self.folder / node_id).write_text(self.nonce, encoding="utf-8")
        except OSError as error:
            return f"{self.folder} cannot be used there ({error.strerror or error})"
        return ""

    def has_been(self, node_id: str) -> bool:
        """Whether a node left its file."""
        with suppress(OSError):
            return (self.folder / node_id).read_text(encoding="utf-8") == self.nonce
        return False


@contextmanager
def meeting(workspace: Path) -> Iterator[Meeting]:
    """A place in a workspace where nodes show that they see it; those of jobs that were killed are removed.

    Raises:
        SurroundingsError: it cannot be made.
    """
    folder, nonce = workspace / f"{_FOLDER}{token_hex(8)}", token_hex(16)
    try:
        _sweep(workspace)
        folder.mkdir()
        # Locked until the job ends, by which the next one tells it from what was left by a job that was killed.
        file = (folder / _DRIVER).open("x+", encoding="utf-8")
    except OSError as error:
        raise SurroundingsError(
            f"cannot write {folder}: {error.strerror}; check the folder's permissions and the disk"
        ) from error
    with file:
        try:
            with suppress(OSError):  # of a file system without locks, where leftovers stay
                flock(file, LOCK_EX | LOCK_NB)
            file.write(nonce)
            file.flush()
            os.fsync(file.fileno())  # it stays open, and other machines see of a shared file what was synced or closed
            yield Meeting(folder, nonce)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(workspace: Path) -> None:
    for folder in workspace.glob(f"{_FOLDER}*"):
        with suppress(OSError), (folder / _DRIVER).open("r+", encoding="utf-8") as file:
            flock(file, LOCK_EX | LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def facts_of(node: str, trouble: str = "") -> NodeFacts:
    """What there is to say of the machine and the environment that this runs in."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return NodeFacts(
        node, python, code_digest(), tuple((name, _version(name)) for name in LIBRARIES), _processor(), trouble
    )


def judge(expected: NodeFacts, nodes: Sequence[NodeFacts]) -> list[str]:
    """What to warn of; results are the same bytes on one processor model alone.

    Args:
        expected: of the machine that the job was started on.
        nodes: all that may be given a shard.

    Raises:
        SurroundingsError: a node is not fit for it; says which, what was found and what was expected.
    """
    wrong = [(facts.node, fault) for facts in nodes if (fault := _fault(expected, facts))]
    if wrong:
        (node, fault), others = wrong[0], len(wrong) - 1
        more = f"; {others} more of the {len(nodes)} nodes do not fit either" if others else ""
        raise SurroundingsError(f"node {node} does not fit: {fault}{more}")
    others_by_model: dict[str, list[str]] = {}
    for facts in nodes:
        if facts.processor != expected.processor:
            others_by_model.setdefault(facts.processor, []).append(facts.node)
    return [
        f"{', '.join(names[:3])}{f' and {len(names) - 3} more nodes' if len(names) > 3 else ''} have the processor {model}, this"
        f" machine has {expected.processor}: weights may differ by 1 from those that one model alone computes"
        for model, names in others_by_model.items()
    ]


def _fault(expected: NodeFacts, facts: NodeFacts) -> str:
    if facts.trouble:
        return f"{facts.trouble}; the workspace has to lie on a file system that all nodes share, under the same path"
    if facts.python != expected.python:
        return f"it runs Python {facts.python}, expected {expected.python} as here; {_REINSTALL}"
    installed_by_name = dict(facts.libraries)
    for name, needed in expected.libraries:
        if (installed := installed_by_name.get(name, _NONE)) != needed:
            return f"it has {name} {installed}, expected {needed} as here; {_REINSTALL}"
    if facts.code != expected.code:
        return (
            f"its sources of artwork-bandit have the digest {facts.code[:12]}, expected {expected.code[:12]} as here;"
            f" {_REINSTALL}"
        )
    return ""


@cache
def code_digest() -> str:
    """Digest of the sources of the packages that shards run, by their names and their contents."""
    digest, root = blake2b(digest_size=16), Path(__file__).resolve().parents[2]
    for path in sorted(path for package in _PACKAGES for path in (root / package).rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return _NONE


def _processor() -> str:
    with suppress(OSError):
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, model = line.partition(":")
            if name.strip() == "model name":
                return model.strip()
    return platform.processor() or platform.machine()
