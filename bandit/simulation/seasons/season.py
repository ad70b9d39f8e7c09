"""The dials of a simulated season and its clock: when picks are refreshed, who keeps theirs, and when new artworks arrive."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from bandit.arrays import I64, is_count, is_number
from bandit.deploying import Floors
from bandit.errors import InputError
from bandit.hashing import hash_users
from bandit.policies import Policy, Stickiness, Uniform
from bandit.policies.deciding import FLOOR, NEW_ARM_IMPRESSIONS, NEW_FLOOR

HOURS_A_DAY: Final = 24
STAGGER: Final = "season-stagger"
"""Purpose of the keyed hash that says when in turn a user's sticky picks are drawn anew."""

_MOST_FLOOR: Final = 0.5


@dataclass(frozen=True)
class Season:
    """Some days of visits, and how artworks are chosen meanwhile; hours count from the start.

    Every ``cadence_hours`` there is a *refresh*, numbered from 0: the posterior is learned anew from all that was shown before,
    and picks are drawn from it. The hours until the next refresh are a *period* of the same number.

    Args:
        days: all days, those under uniform included.
        explore_days: days under uniform before the policy takes over; the days after them are *live*.
        cadence_hours: between two refreshes; days and explore days are whole numbers of it.
        sticky_hours: for which a user keeps a pick, a whole number of cadences; 0 is until the next refresh.
        age_hours: ages of picks whose cost is measured, whole numbers of cadences, 0 among them; () measures none.
        arrival_day: day, counted from 0, at whose start new best artworks arrive; they can be shown from the next refresh on.
        arrival_share: share of the titles of at least three artworks that get one; 0 for none.
        floor: share spread over all artworks, as deployed.
        new_floor: share guaranteed to each new artwork, as deployed.
        new_arm_impressions: impressions until which an artwork is new.
        pessimism: share of its title's take rate that an artwork starts with in ``linear``, ``logistic`` and ``shared``; the job
            has 1.
        stickiness: by which the policy keeps what a user's pick was before, as deployed; every user has a pick of every title at
            every refresh then.

    Raises:
        InputError: a dial is out of range; names it, its range and what to turn.

    >>> season = Season(cadence_hours=12)
    >>> season.refreshes, season.first_live, season.arrival
    (28, 8, 14)
    """

    days: int = 14
    explore_days: int = 4
    cadence_hours: int = 24
    sticky_hours: int = 0
    age_hours: tuple[int, ...] = (0, 24, 48)
    arrival_day: int = 7
    arrival_share: float = 0.2
    floor: float = FLOOR
    new_floor: float = NEW_FLOOR
    new_arm_impressions: int = NEW_ARM_IMPRESSIONS
    pessimism: float = 1.0
    stickiness: Stickiness = field(default_factory=Stickiness)

    def __post_init__(self) -> None:
        self._check_days()
        self._check_cadences()
        self._check_ages()
        self._check_shares()

    def floors(self, policy: Policy) -> Floors:
        """What every artwork is shown at least under a policy.

        Under uniform new ones have their 1/k already; with more, the log would not be one under uniform, which replay asks for.
        """
        new_floor = 0.0 if isinstance(policy, Uniform) else self.new_floor
        return Floors(self.floor, new_floor, self.new_arm_impressions)

    @property
    def refreshes(self) -> int:
        """How often picks are refreshed."""
        return self.days * HOURS_A_DAY // self.cadence_hours

    @property
    def first_live(self) -> int:
        """The refresh at which the policy takes over."""
        return self.explore_days * HOURS_A_DAY // self.cadence_hours

    @property
    def arrival(self) -> int:
        """The first refresh that knows the new artworks."""
        return -(-self.arrival_day * HOURS_A_DAY // self.cadence_hours)

    @property
    def ages(self) -> tuple[int, ...]:
        """``age_hours`` in refreshes."""
        return tuple(hours // self.cadence_hours for hours in self.age_hours)

    @property
    def first_aged(self) -> int:
        """The first live refresh before which there was one of every age."""
        return max(self.first_live, self.oldest)

    @property
    def oldest(self) -> int:
        """The largest age in refreshes."""
        return max(self.ages, default=0)

    @property
    def kept(self) -> int:
        """Refreshes for which a pick is kept, at least 1."""
        return max(1, self.sticky_hours // self.cadence_hours)

    @property
    def reach(self) -> int:
        """How many refreshes back something is still asked for."""
        return max(self.kept - 1, self.oldest)

    @cached_property
    def edges(self) -> I64:
        """Hours at which periods begin, and the end, (refreshes + 1,)."""
        return np.arange(self.refreshes + 1) * self.cadence_hours

    def turns(self, n_users: int, seed: int) -> I64:
        """The place of each user in the round of redraws, (n,), from 0 to before ``kept``."""
        hashed = hash_users(STAGGER, seed, 0, np.arange(n_users, dtype=np.uint64))
        return np.asarray(hashed % np.uint64(self.kept), dtype=np.int64)

    def drawn_at(self, refresh: int, turns: I64) -> I64:
        """The refresh whose picks are shown in a period to users in some places of the round, in the shape of ``turns``.

        When the policy takes over, everybody's picks are drawn by it.
        """
        began = self.first_live if refresh >= self.first_live else 0
        return np.asarray(np.maximum(refresh - (refresh + turns) % self.kept, began), dtype=np.int64)

    def _check_days(self) -> None:
        if not is_count(self.days):
            raise InputError(f"the days are {self.days!r}, expected a whole number of at least 1")
        if not (is_count(self.explore_days) or self.explore_days == 0) or self.explore_days >= self.days:
            raise InputError(
                f"the explore days are {self.explore_days!r} of {self.days} days, expected a whole number from 0 to"
                f" {self.days - 1}: the policy needs a day of its own; take more days or fewer explore days"
            )

    def _check_cadences(self) -> None:
        cadence = self.cadence_hours
        if not is_count(cadence) or any(days * HOURS_A_DAY % cadence for days in (self.days, self.explore_days)):
            raise InputError(
                f"the cadence is {cadence!r} hours, expected a whole number from 1 that divides {self.days} days and"
                f" {self.explore_days} explore days ({self.days * HOURS_A_DAY} and {self.explore_days * HOURS_A_DAY} hours);"
                " 1, 2, 3, 4, 6, 8, 12 and 24 always do"
            )
        self._check_multiple("the sticky hours are", self.sticky_hours)

    def _check_ages(self) -> None:
        last = (self.refreshes - 1) * self.cadence_hours
        for hours in self.age_hours:
            self._check_multiple("an age of picks is", hours)
            if hours > last:
                raise InputError(
                    f"an age of picks is {hours} hours, expected at most {last}, the start of the last period; take younger picks"
                    " or more days"
                )
        if len(set(self.age_hours)) < len(self.age_hours) or (self.age_hours and 0 not in self.age_hours):
            raise InputError(
                f"the ages of picks are {self.age_hours} hours, expected 0, which others are compared with, and none twice"
            )

    def _check_multiple(self, what: str, hours: int) -> None:
        if not (is_count(hours) or hours == 0) or hours % self.cadence_hours:
            raise InputError(
                f"{what} {hours!r} hours, expected a whole number of cadences of {self.cadence_hours} hours, such as 0 or"
                f" {2 * self.cadence_hours}: picks change at refreshes alone; change one of the two"
            )

    def _check_shares(self) -> None:
        if not (is_number(self.arrival_share) and 0 <= self.arrival_share <= 1):
            raise InputError(
                f"the arrival share is {self.arrival_share!r}, expected a share of titles from 0 to 1; 0 is no new artwork"
            )
        if self.arrival_share > 0:
            self._check_arrival()
        for name, floor in (("floor", self.floor), ("new floor", self.new_floor)):
            if not (is_number(floor) and 0 <= floor <= _MOST_FLOOR):
                raise InputError(f"the {name} is {floor!r}, expected a share from 0 to {_MOST_FLOOR}")
        if not (is_number(self.pessimism) and 0 < self.pessimism <= 1):
            raise InputError(f"the pessimism is {self.pessimism!r}, expected above 0 and at most 1, which is none")
        if not (is_count(self.new_arm_impressions) or self.new_arm_impressions == 0):
            raise InputError(
                f"new_arm_impressions is {self.new_arm_impressions!r}, expected a whole number of at least 0"
            )

    def _check_arrival(self) -> None:
        last = (self.refreshes - 1) * self.cadence_hours // HOURS_A_DAY  # the day of the last refresh
        if not is_number(self.arrival_day) or self.arrival_day not in range(self.explore_days, last + 1):
            raise InputError(
                f"the arrival day is {self.arrival_day!r}, expected a live day, counted from 0, with a refresh at its start or"
                f" after it: from {self.explore_days} to {last}; take another, or an arrival share of 0"
            )
