"""Other libraries behind one interface, each used as its own documentation uses it; whatever does not import is left out."""

from importlib import import_module
from typing import TypeAlias

from artwork.bench.rivals.base import Rival

INSTALL = "not installed: pip install 'artwork-bandit[bench]'"

RIVALS = {
    "mabwiser": "mabwiser.MabWiser",
    "bayesianbandits": "bayesianbandits.BayesianBandits",
    "contextualbandits": "contextualbandits.ContextualBandits",
    "contextualbandits, ci": "contextualbandits.FromIntervals",
}
"""Module and class of each rival, below this package."""

LIBRARIES = ["mabwiser", "bayesianbandits", "contextualbandits"]

Rivals: TypeAlias = dict[str, type[Rival] | None]
"""Rivals by name, None for those that do not import."""


def find_rivals() -> Rivals:
    """Every rival that imports."""
    return {name: _found(*place.split(".")) for name, place in RIVALS.items()}


def _found(module: str, kind: str) -> type[Rival] | None:
    try:
        found: type[Rival] = getattr(import_module(f"{__name__}.{module}"), kind)
    except ImportError:
        return None
    return found
