"""Rates of reward of days, and whether one is outside of bounds around another, by an exact interval."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from scipy.special import betaincinv  # scipy.stats takes 0.6 s to import, which every command of the job would wait for

from batch.workspace.generations import LearnedDay

ENOUGH: Final = 400
"""Takes that both rates need, or that the newer one would have at the parent's rate: where plays are lost there are none."""

RECENT_DAYS: Final = 7
"""Newest days of the parent that give its rate, or more where these have too few rewards: a rate of years ago says nothing of
tonight."""

_ALPHA: Final = 0.001


class Rate(NamedTuple):
    """The rewards of some days."""

    days: str
    rewards: float
    impressions: int
    is_newest: bool = False

    @property
    def value(self) -> float:
        """Rewards per impression."""
        return self.rewards / self.impressions if self.impressions else 0.0

    @property
    def text(self) -> str:
        """The same for people."""
        return f"{self.rewards:,.0f} rewards of {self.impressions:,} impressions ({self.value:.2%})"

    def ratio(self, parent: "Rate") -> float:
        """The rate as a multiple of the parent's; 1 where there is nothing to compare."""
        return self.value / parent.value if parent.value and self.impressions else 1.0

    def is_enough(self, parent: "Rate") -> bool:
        """Whether both have rewards enough."""
        expected = parent.value * self.impressions
        return parent.rewards >= ENOUGH and max(self.rewards, expected) >= ENOUGH


class Rates(NamedTuple):
    """The rates to judge, that of all new days first, and the parent's."""

    judged: list[Rate]
    parent: Rate


def compare_rates(new: Mapping[str, LearnedDay], parent: Mapping[str, LearnedDay]) -> Rates | None:
    """The rates of the days that the parent did not learn from as they are now; None where there are none."""
    changed = {day: own for day, own in new.items() if day not in parent or parent[day].digest != own.digest}
    if not changed or not parent:
        return None
    single = [_rate(day, [own], is_newest=day == max(new)) for day, own in changed.items()]
    name = f"{len(changed)} new days" if len(changed) > 1 else min(changed)
    judged = [_rate(name, [*changed.values()]), *(single if len(changed) > 1 else [])]
    return Rates(judged, _recent(parent))


def is_outside(rate: Rate, parent: Rate, bounds: tuple[float, float], among: int) -> bool:
    """Whether a rate is outside of bounds as a multiple of the parent's, its 99.9 % interval wholly so.

    The rewards of both are counts, so the share of the newer one in their sum is binomial, and the interval that of Clopper and
    Pearson (1934); rewards below 1 vary less. ``among`` is how many are judged at once. The newest of several days is
    not judged from below: plays of its last impressions are yet to come.
    """
    if not rate.is_enough(parent) or not parent.value:
        return False
    lowest, highest = bounds
    alpha = _ALPHA / among
    ours, all_of_them = rate.rewards, rate.rewards + parent.rewards
    low = float(betaincinv(ours, all_of_them - ours + 1, alpha / 2)) if ours else 0.0
    high = float(betaincinv(ours + 1, all_of_them - ours, 1 - alpha / 2))
    size = parent.impressions / rate.impressions
    low, high = (size * share / (1 - share) for share in (low, high))
    return bool(low > highest or (high < lowest and not rate.is_newest))


def _recent(parent: Mapping[str, LearnedDay]) -> Rate:
    recent: list[LearnedDay] = []
    for day in sorted(parent, reverse=True):
        if len(recent) >= RECENT_DAYS and sum(own.rewards for own in recent) >= ENOUGH:
            break
        recent.append(parent[day])
    return _rate("", recent)


def _rate(days: str, of: list[LearnedDay], *, is_newest: bool = False) -> Rate:
    return Rate(days, sum(day.rewards for day in of), sum(day.impressions for day in of), is_newest)
