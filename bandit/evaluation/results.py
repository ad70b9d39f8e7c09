"""What a comparison of policies by a log comes to, and how it is to be made."""

from dataclasses import dataclass, field
from typing import Final

from bandit.arrays import is_number
from bandit.errors import InputError
from bandit.evaluation.estimate import LEVEL, RESAMPLES, Estimate, check_settings
from bandit.evaluation.estimators import parse_estimator
from bandit.evaluation.overlap import Overlap, Thresholds, is_refused

ALL_ESTIMATORS: Final = ("dr", "snips", "ips", "sndr", "switch_dr", "dros", "dm", "replay")
"""In the order in which they are shown; differences are those of the first that works."""


SEQUENCE_ESTIMATOR: Final = "ips"

USERS: Final = "users"
"""Intervals hold for users like those of the log."""
LOG: Final = "log"
"""Intervals hold for the users of the log: decisions are what was drawn."""
POPULATIONS: Final = (USERS, LOG)


@dataclass(frozen=True)
class Settings:
    """How policies are compared; see ``estimate`` for what each means.

    ``estimators``: their words. ``resamples`` of the quantile that intervals for all differences together have.
    ``weight_bound``: the largest weight that was possible; ``least_propensity``: the smallest propensity that any arm had at
    any decision, if that is known instead. Both None takes what the log shows. ``population``: ``users``, where the log knows
    them, or ``log``. ``reward_range``: the smallest and the largest possible reward, as for ``estimate``.

    Raises:
        InputError: the level or the number of resamples is out of range, or an estimator or a population is not known.
    """

    estimators: tuple[str, ...] = ALL_ESTIMATORS
    level: float = LEVEL
    resamples: int = RESAMPLES
    seed: int = 0
    weight_bound: float | None = None
    least_propensity: float | None = None
    population: str = USERS
    reward_range: tuple[float, float] | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        check_settings(self.level, self.resamples)
        if self.population not in POPULATIONS:
            raise InputError(f"there is no population {self.population!r}; choose one of {', '.join(POPULATIONS)}")
        if self.least_propensity is not None and not (
            is_number(self.least_propensity) and 0 < self.least_propensity <= 1
        ):
            raise InputError(f"least_propensity is {self.least_propensity!r}, expected a number above 0 and at most 1")
        words = [parse_estimator(word).word for word in self.estimators]
        if not words:
            raise InputError("there are no estimators, expected at least one, such as snips")
        if twice := [word for word in words if words.count(word) > 1]:
            raise InputError(f"the estimator {twice[0]} is there twice; name it once")


@dataclass(frozen=True)
class OtherInterval:
    """An unbiased estimate with another kind of interval than the usual one.

    ``kind``: ``normal``; ``bernstein``, for any number of decisions that are shown once, under a bound of the weights;
    ``sequence``, at all times at once; ``batches``, for logs of a policy that kept learning. ``value`` is the estimator's;
    ``batches`` weights it anew, ``sequence`` counts the first impression of every decision. ``quantity`` is ``value``, or
    ``lead`` over the logging policy. ``weight_bound`` is the largest weight that was possible, None of kinds that do without;
    it is a guess where ``is_bound_known`` is false.
    """

    estimator: str
    kind: str
    value: float
    lower: float
    upper: float
    quantity: str = "value"
    weight_bound: float | None = None
    is_bound_known: bool = True


@dataclass(frozen=True)
class Curve:
    """A confidence sequence as it grew: after how many decisions, and both ends."""

    decisions: list[int]
    lower: list[float]
    upper: list[float]


@dataclass(frozen=True)
class PolicyResult:
    """One target policy: whether the log can tell of it, and what each estimator says.

    ``estimates`` by the word of the estimator; ``tuned`` has the settings that the data chose; ``unusable`` says why an
    estimator that was asked for has no estimate. ``others`` is empty, and ``value_curve`` and ``lead_curve`` (over the
    logging policy) are None, where the log cannot tell. ``weights`` are quantiles of the weights, by percent. ``caution``
    says why values or intervals are not to be believed, if they are not.
    """

    policy: str
    verdict: str
    overlap: Overlap | None
    estimates: dict[str, Estimate]
    tuned: dict[str, float]
    unusable: dict[str, str]
    others: list[OtherInterval]
    weights: dict[str, float]
    caution: str = ""
    value_curve: Curve | None = None
    lead_curve: Curve | None = None

    @property
    def is_reliable(self) -> bool:
        """Whether the log can tell."""
        return not is_refused(self.verdict)


@dataclass(frozen=True)
class Difference:
    """The value of ``policy`` minus that of ``against``, by one estimator, on the same impressions.

    ``adjusted`` ends hold for all differences of the comparison together; ``sequence`` ends are those of a confidence
    sequence of ``sequence_estimator``, which holds at all times, with decisions counted once. All are None where one of the
    policies is refused; ``unreliable_value`` then has the number. ``caution`` says why neither is to be called the better
    one.
    """

    policy: str
    against: str
    estimator: str
    value: float | None
    lower: float | None
    upper: float | None
    adjusted_lower: float | None
    adjusted_upper: float | None
    verdict: str
    unreliable_value: float | None
    caution: str = ""
    sequence_estimator: str = SEQUENCE_ESTIMATOR
    sequence_lower: float | None = None
    sequence_upper: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """What a log says of several policies; ``estimator`` is the word of the one that differences are of.

    ``reach``: adjusted intervals of differences are so many standard errors wide, on either side. ``users`` of the log, None
    where none is known or ``population``, whom intervals are about, is ``log``. ``are_shares``: rewards
    are known to lie in [0, 1]. ``notes`` hold for all of the comparison.
    """

    n: int
    decisions: int
    level: float
    resamples: int
    estimator: str
    reach: float
    results: list[PolicyResult]
    differences: list[Difference]
    users: int | None = None
    population: str = LOG
    are_shares: bool = True
    notes: tuple[str, ...] = ()
