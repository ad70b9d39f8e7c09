"""The one decorator of every kernel."""

from collections.abc import Callable
from typing import TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def kernel(function: Kernel) -> Kernel:
    """Compile a serial kernel, cached on disk, without the interpreter lock.

    No ``fastmath``: it lets the compiler reorder sums, and the published bytes would follow the compiler's mood. Division
    follows IEEE 754 (``error_model="numpy"``), which keeps loops free of checks.
    """
    jitted: Kernel = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return jitted


_FUSED = {"contract", "reassoc", "nsz"}


def fused_kernel(function: Kernel) -> Kernel:
    """``kernel`` whose products and sums may be fused and sums over lanes reordered: several times faster on long polynomials.

    The order is the compiler's, but fixed on one processor model. NaN and infinity keep their meaning.
    """
    jitted: Kernel = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_FUSED)(function)
    return jitted


def uncounted_kernel(function: Kernel) -> Kernel:
    """A fused kernel that allocates nothing and counts no references, for the loops inside another fused kernel.

    Each slice of an array and each field of a named tuple costs an atomic count up and one down, which win probabilities
    spent 130 of 1,030 ns a decision on. Numba checks that nothing is allocated.
    """
    jitted: Kernel = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_FUSED, _nrt=False)(function)
    return jitted


def part(function: Kernel) -> Kernel:
    """A piece of an uncounted kernel, put in where it is called.

    A kernel's cache on disk does not see that its parts in other files have changed: save the kernel's own file too.
    """
    jitted: Kernel = numba.njit(
        cache=True, nogil=True, error_model="numpy", fastmath=_FUSED, _nrt=False, forceinline=True
    )(function)
    return jitted
