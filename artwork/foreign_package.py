"""Another package that has the import name of ours, such as the linter called ``bandit``; found before it is imported."""

import sys
from importlib.machinery import PathFinder
from pathlib import Path

_OURS = b"Contextual bandits whose propensities are exact"
"""How our package begins; an installation of both has one ``bandit/__init__.py``, of whichever came last."""


def foreign_bandit() -> str | None:
    """What to do about a foreign package called ``bandit``, on one line, or None where ``import bandit`` finds ours."""
    spec = PathFinder.find_spec("bandit", sys.path)
    # None: an editable installation, whose own finder comes after the path.
    if spec is None or spec.origin is None or _is_ours(Path(spec.origin)):
        return None
    name = _distribution()
    if name is None:
        return f"{spec.origin} stands in the way of our package bandit; rename it, or take its folder out of PYTHONPATH"
    return (
        f"the distribution {name} has a package called bandit too ({spec.origin}), as the linter of that name has;"
        f" run `{sys.executable} -m pip uninstall {name}`, install artwork-bandit again, and keep {name} in an environment of"
        " its own"
    )


def _is_ours(path: Path) -> bool:
    try:
        return _OURS in path.read_bytes()[:200]
    except OSError:
        return False


def _distribution() -> str | None:
    """Whose it is; it takes a tenth of a second to know, so nobody asks before there is one."""
    from importlib.metadata import packages_distributions  # noqa: PLC0415

    names = [name for name in packages_distributions().get("bandit", ()) if name != "artwork-bandit"]
    return names[0] if names else None
