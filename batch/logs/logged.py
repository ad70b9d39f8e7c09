"""A log as it was read: the record, and what reports say of where it came from."""

from dataclasses import dataclass

from bandit.arrays import F64
from bandit.impressions import ImpressionLog


@dataclass(frozen=True, eq=False)
class LoggedData:
    """A log in the order of time.

    ``about`` is what it is, in one line; ``arm_names`` (A,) are what its arms are called; ``features`` (A, f) those of the
    artworks, None where there are none. ``notes`` are what a reader of results should know. ``days`` is the time it spans.
    ``are_dated`` says that its times are microseconds since 1970. ``least_propensity`` is the smallest probability that an
    eligible arm could have had at any decision, or less; None where it is not known.
    """

    log: ImpressionLog
    about: str
    arm_names: list[str]
    features: F64 | None = None
    notes: tuple[str, ...] = ()
    days: float | None = None
    least_propensity: float | None = None
    are_dated: bool = False
