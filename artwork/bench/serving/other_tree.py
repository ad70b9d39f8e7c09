"""A working tree of another commit, whose service is measured in the same turns as this one's."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from bandit.errors import InputError

_ASKED_SECONDS: Final = 60
_PLACES: Final = (
    "import artwork, bandit, batch, service\n"
    "for package in (artwork, bandit, batch, service):\n"
    "    print(package.__file__)"
)


@dataclass(frozen=True)
class OtherTree:
    """Its folder, and what reports call it: the commit that is checked out, or the folder's name where git does not say."""

    folder: Path
    label: str

    @classmethod
    def at(cls, folder: Path) -> Self:
        """The tree in a folder, whose service this interpreter can run.

        Raises:
            InputError: there is none, or Python would take the code of somewhere else.
        """
        whole = folder.resolve()
        hint = "make one with `git worktree add FOLDER COMMIT`"
        if not (whole / "service" / "app.py").is_file():
            raise InputError(
                f"--against {folder} holds no service/app.py; expected a checkout of another commit: {hint}"
            )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ARTWORK_")}
        asked = subprocess.run(  # noqa: S603 - our own arguments
            [sys.executable, "-P", "-c", _PLACES],
            capture_output=True,
            text=True,
            check=False,
            timeout=_ASKED_SECONDS,
            env=environment | {"PYTHONPATH": str(whole)},
        )
        if asked.returncode:
            why = (asked.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise InputError(f"--against {folder} cannot be run by this interpreter ({why}); {hint}")
        if strange := [place for place in asked.stdout.splitlines() if whole not in Path(place).resolve().parents]:
            raise InputError(f"--against {folder}: Python would take {strange[0]}, expected all code from that folder")
        return cls(whole, _commit(whole) or whole.name)


def _commit(folder: Path) -> str:
    """The short name of its commit, with a plus where files differ from it; empty where git does not say."""
    words = ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    except OSError:
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""
