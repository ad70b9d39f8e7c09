"""Other libraries behind one interface, each used as its own documentation uses it; what is not installed is left out."""

from importlib import import_module
from importlib.util import find_spec
from typing import TypeAlias

from artwork.bench.rivals.base import Rival
from bandit.errors import SurroundingsError

INSTALL = "not installed: pip install -r requirements/bench.txt"

RIVALS = {
    "mabwiser": "mabwiser.MabWiser",
    "bayesianbandits": "bayesianbandits.BayesianBandits",
    "contextualbandits": "contextualbandits.ContextualBandits",
    "contextualbandits, ci": "contextualbandits.FromIntervals",
    "gittins": "gittins.Gittins",
}
"""Module and class of each rival, below this package; the module has the name of the library."""

LIBRARIES = ["mabwiser", "bayesianbandits", "contextualbandits", "gittins"]

Rivals: TypeAlias = dict[str, type[Rival] | None]
"""Rivals by name, None for those that are not installed."""


def find_rivals() -> Rivals:
    """Every rival whose library is installed.

    Raises:
        SurroundingsError: a library is installed and does not import, which is no reason to say that it is missing.
    """
    return {name: _found(*place.split(".")) for name, place in RIVALS.items()}


def _found(module: str, kind: str) -> type[Rival] | None:
    if find_spec(module) is None:
        return None
    try:
        rival: type[Rival] = getattr(import_module(f"{__name__}.{module}"), kind)
    except ImportError as error:
        raise SurroundingsError(
            f"{module} is installed and does not import ({error}); install it again, or uninstall it to do without"
        ) from error
    return rival
