"""The one decorator of every kernel."""

import os
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from stat import S_ISDIR
from typing import Any, Final, TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def kernel(function: Kernel) -> Kernel:
    """Compile a serial kernel, cached on disk, without the interpreter lock.

    No ``fastmath``: it lets the compiler reorder sums, and the published bytes would follow the compiler's mood. Division
    follows IEEE 754 (``error_model="numpy"``), which keeps loops free of checks.
    """
    return _compiled(function)


_FUSED = {"contract", "reassoc", "nsz"}


def fused_kernel(function: Kernel) -> Kernel:
    """``kernel`` whose products and sums may be fused and sums over lanes reordered: several times faster on long polynomials.

    The order is the compiler's, but fixed on one processor model. NaN and infinity keep their meaning.
    """
    return _compiled(function, fastmath=_FUSED)


def uncounted_kernel(function: Kernel) -> Kernel:
    """A fused kernel that allocates nothing and counts no references, for the loops inside another fused kernel.

    Each slice of an array and each field of a named tuple costs an atomic count up and one down, which win probabilities
    spent 130 of 1,030 ns per decision on. Numba checks that nothing is allocated.
    """
    return _compiled(function, fastmath=_FUSED, _nrt=False)


def part(function: Kernel) -> Kernel:
    """A piece of an uncounted kernel, put in where it is called."""
    return _compiled(function, fastmath=_FUSED, _nrt=False, forceinline=True)


_IN_ORDER = {"contract", "nsz"}


def lane_kernel(function: Kernel) -> Kernel:
    """An uncounted kernel whose sums and products keep their written order, so that a lane's bits are its own.

    Many rows lie along the lanes of the processor, one row a lane. Were sums reordered, what a lane holds could depend on how
    many arms its neighbours have. Products and sums may still be fused.
    """
    return _compiled(function, fastmath=_IN_ORDER, _nrt=False)


def lane_part(function: Kernel) -> Kernel:
    """A piece of a lane kernel, put in where it is called."""
    return _compiled(function, fastmath=_IN_ORDER, _nrt=False, forceinline=True)


_CACHE_VARIABLE: Final = "NUMBA_CACHE_DIR"
_SAID_VARIABLE: Final = "BANDIT_KERNELS_UNCACHED"
"""Set once it is known that nothing can be kept, so that of many processes one says so."""


def _compiled(function: Kernel, **options: Any) -> Kernel:
    options |= {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    if function.__name__.startswith("_"):
        # What only other kernels call needs no way in from Python, which is a third of its code.
        options["no_cpython_wrapper"] = True
    jitted: Kernel
    try:
        jitted = numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        # numba writes beside the source, in the user's cache folder or in NUMBA_CACHE_DIR, and refuses where it may in none.
        if "no locator available" not in str(error):
            raise
        jitted = numba.njit(cache=_other_place(), **options)(function)
    _keep_by_all_sources(jitted, Path(function.__code__.co_filename).parent)
    return jitted


def _keep_by_all_sources(jitted: Any, folder: Path) -> None:
    """Have what is kept of a kernel on disk taken only with the sources that it was compiled from.

    numba looks at the kernel's own file alone, though its pieces stand in others beside it; and what it wrote about a type that
    is gone since, it cannot even read. It asks for its own version before anything else, so the sources become part of that.
    """
    kept: Any = getattr(getattr(jitted, "_cache", None), "_cache_file", None)
    if hasattr(kept, "_version"):
        kept._version = f"{numba.__version__} {_digest_of(folder)}"


@cache
def _digest_of(folder: Path) -> str:
    digest = blake2b(digest_size=8)
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@cache
def _other_place() -> bool:
    """Point numba's cache to a folder in the temporary one; whether there is one to be trusted."""
    place = _private_folder()
    if place is not None:
        os.environ[_CACHE_VARIABLE] = numba.config.CACHE_DIR = str(place)  # the variable is for child processes
        _tell(f"compiled kernels are kept in {place}; set {_CACHE_VARIABLE} to keep them elsewhere")
        return True
    if not os.environ.get(_SAID_VARIABLE):
        os.environ[_SAID_VARIABLE] = "1"
        _tell(f"no folder can keep compiled kernels, so each process compiles its own; set {_CACHE_VARIABLE} to one")
    return False


def _private_folder() -> Path | None:
    """A folder of this user alone: what lies in a cache is run, so nobody else may put anything there."""
    try:
        parent = Path(tempfile.gettempdir()) / f"bandit-kernels-{os.getuid()}"
        parent.mkdir(mode=0o700, exist_ok=True)
        status = parent.lstat()
        mine = S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
        return parent if mine and os.access(parent, os.W_OK | os.X_OK) else None
    except OSError:
        return None


def _tell(message: str) -> None:
    warnings.warn(message, stacklevel=2)
