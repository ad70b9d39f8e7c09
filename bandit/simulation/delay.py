"""When rewards arrive: three readings of one number."""

from dataclasses import dataclass

from bandit.arrays import is_count
from bandit.errors import InputError

READINGS = ("batches", "each", "refits")


@dataclass(frozen=True)
class Delay:
    """Feedback after ``steps`` steps (δ), read in one of three ways.

    ``batches``: every δ steps the rewards of the last δ steps arrive together, as from a job that runs every δ steps.
    ``each``: each reward arrives δ steps after its pick, as from events that take as long to be known.
    ``refits``: as ``batches``, and that an arm was replaced becomes known with the batch too; the same where none is.
    At δ = 1 all are the same: a reward is known before the next pick.

    Raises:
        InputError: ``steps`` is no whole number of at least 1, or the reading is not known.

    >>> [list(Delay(2, "batches").arriving(step)) for step in range(5)]
    [[], [], [0, 1], [], [2, 3]]
    >>> [list(Delay(2, "each").arriving(step)) for step in range(5)]
    [[], [], [0], [1], [2]]
    """

    steps: int = 1
    reading: str = "batches"

    def __post_init__(self) -> None:
        if not is_count(self.steps):
            raise InputError(
                f"the delay is {self.steps!r} steps, expected at least 1, a whole number: a reward is known before the next pick"
            )
        if self.reading not in READINGS:
            raise InputError(f"there is no reading {self.reading!r} of a delay; choose one of {', '.join(READINGS)}")

    def arriving(self, step: int) -> range:
        """The steps whose rewards arrive just before the picks of ``step``, ascending."""
        if self.reading == "each":
            return range(max(step - self.steps, 0), max(step - self.steps + 1, 0))
        return range(step - self.steps, step) if step and step % self.steps == 0 else range(0)
