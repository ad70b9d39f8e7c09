"""What estimators need of a log and a target policy: a few numbers per impression, whatever the number of arms."""

from collections import abc
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, integer_array, is_number, label_array, numbered, real_array
from bandit.checks import check_finite, checked_contexts, real_column
from bandit.errors import InputError
from bandit.impressions import checked_propensities

_ROUNDING = 1e-9

_REALS = (
    "rewards", "target", "unsupported", "propensities", "logged_estimates", "target_estimates", "expected_arms",
    "expected_squares", "shown_arms", "shown_squares", "target_squares",
)  # fmt: skip
_BY_ARM = ("expected_arms", "expected_squares", "shown_arms", "shown_squares")
_BY_IMPRESSION = (
    "rewards", "target", "unsupported", "propensities", "logged_estimates", "target_estimates", "arms", "contexts",
    "target_squares",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sample:
    """m impressions of a log as one target policy sees them; checked where it was made.

    ``rewards``, ``target`` (the probability π(a|x) that the target policy gives the shown arm) and ``unsupported`` (the
    probability that it gives to arms the log could not show) are (m,), as are the others:

    ``propensities``: probability p with which the shown arm was chosen; None where it is not known. ``logged_estimates``:
    reward q̂(x, a) that a model expects of the shown arm; ``target_estimates``: Σ_a π(a|x) q̂(x, a). None where there is no
    model. ``target_squares``: Σ_a π(a|x)², for plans. ``clusters``: the decision of each impression, as ``numbered``; None
    where each is one of its own. ``users``: who saw it, as ``numbered``, where intervals are to hold for users like them;
    None where they are to hold for the decisions of this log. ``largest_probability``: the largest π(a|x) of an arm that the
    log could show. ``reward_range``: the ends that rewards are known to lie between; None is 0 and 1 where all are there,
    else unknown. For checks of the propensities: ``arms``, what was shown; ``contexts``, (m, d); with n the impressions of a
    decision, ``expected_arms`` (A,): Σ π(a|x) / n over all impressions that could show the arm, and ``expected_squares``
    (A,): Σ π(a|x)² / n over the arm's share p̄_a of its title's impressions. ``shown_arms`` and ``shown_squares`` are the
    same without n, where decisions are shown several times.
    """

    rewards: F64
    target: F64
    unsupported: F64
    propensities: F64 | None
    logged_estimates: F64 | None = None
    target_estimates: F64 | None = None
    arms: I64 | None = None
    expected_arms: F64 | None = None
    expected_squares: F64 | None = None
    shown_arms: F64 | None = None
    shown_squares: F64 | None = None
    clusters: I64 | None = None
    contexts: npt.NDArray[np.floating] | None = None
    target_squares: F64 | None = None
    users: I64 | None = None
    largest_probability: float = 1.0
    reward_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in _REALS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, real_array(name, getattr(self, name)))
                check_finite(name, getattr(self, name))
        if self.contexts is not None:
            object.__setattr__(self, "contexts", checked_contexts(self.contexts))
        count = np.size(self.rewards)
        if self.arms is not None:
            object.__setattr__(self, "arms", integer_array("arms", self.arms))
        for name in ("clusters", "users"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _codes(label_array(name, getattr(self, name), count)))
        object.__setattr__(self, "reward_range", reward_range_of(self.rewards, self.reward_range))
        if self.propensities is not None:
            checked_propensities(self.propensities, count)
        self._check_shapes(count)

    def _check_shapes(self, count: int) -> None:
        for name in _BY_IMPRESSION:
            value = getattr(self, name)
            wanted = (count,) if value is None or name != "contexts" else (count, *value.shape[1:2])
            if value is not None and value.shape != wanted:
                raise InputError(
                    f"{name} have the shape {value.shape}, expected {wanted}: one per impression, as rewards"
                )
        arms = {name: value.shape for name in _BY_ARM if (value := getattr(self, name)) is not None}
        if len({*arms.values()}) > 1 or any(len(shape) != 1 for shape in arms.values()):
            raise InputError(f"sums by arm have the shapes {arms}, expected (A,): one per arm")

    def __len__(self) -> int:
        """Impressions, m."""
        return len(self.rewards)

    @cached_property
    def weights(self) -> F64:
        """Importance weights w = π(a|x) / p, (m,)."""
        assert self.propensities is not None  # noqa: S101 - estimators say what they need, and get no sample without
        return self.target / self.propensities

    @cached_property
    def residuals(self) -> F64:
        """What the model did not expect: r - q̂(x, a), (m,)."""
        assert self.logged_estimates is not None  # noqa: S101
        return self.rewards - self.logged_estimates

    @cached_property
    def weighted_rewards(self) -> F64:
        """Weighted rewards w r, (m,)."""
        return self.weights * self.rewards

    @cached_property
    def weighted_residuals(self) -> F64:
        """Weighted residuals w (r - q̂(x, a)), (m,)."""
        return self.weights * self.residuals

    @cached_property
    def n_clusters(self) -> int:
        """Decisions, C."""
        return len(self) if self.clusters is None else int(self.clusters.max(initial=-1)) + 1

    def sums(self, values: F64) -> F64:
        """The sum of ``values`` (m,) over the impressions of each decision, (C,)."""
        values = real_column("values", values, len(self))
        if self.clusters is None:
            return values
        return np.bincount(self.clusters, weights=values, minlength=self.n_clusters).astype(np.float64, copy=False)

    @cached_property
    def sizes(self) -> F64:
        """Impressions of each decision, (C,)."""
        return self.sums(np.ones(len(self)))

    @cached_property
    def units(self) -> I64 | None:
        """What was drawn independently, of each impression: its user, or else its decision; None where each is one of its own."""
        return self.clusters if self.users is None else self.users

    @cached_property
    def n_units(self) -> int:
        """Independent units, U."""
        return len(self) if self.units is None else int(self.units.max(initial=-1)) + 1

    def unit_sums(self, values: F64) -> F64:
        """The sum of ``values`` (m,) over the impressions of each unit, (U,)."""
        if self.units is None:
            return values
        return np.bincount(self.units, weights=values, minlength=self.n_units).astype(np.float64, copy=False)

    @cached_property
    def unit_sizes(self) -> F64:
        """Impressions of each unit, (U,)."""
        return self.unit_sums(np.ones(len(self)))

    @cached_property
    def are_decisions_repeated(self) -> bool:
        """Whether any decision was shown more than once."""
        return self.clusters is not None and self.n_clusters < len(self)

    @cached_property
    def shares(self) -> F64:
        """What each impression is of its decision, 1 / n, (m,)."""
        return np.ones(len(self)) if self.clusters is None else np.asarray(1 / self.sizes[self.clusters])

    @cached_property
    def possible_weight(self) -> float:
        """The largest weight that the log shows to have been possible: there, or of an arm that was not shown.

        Where the shown arm has p and π, some other arm has a weight of at least (1 - π) / (1 - p).
        """
        return max(float(self.weights.max(initial=0.0)), float(self._others[0].max(initial=0.0)))

    def unseen_weight(self, count: float) -> float:
        """The weight of so many impressions at the largest weight that was possible; 0 where one as large is there.

        It is at most what the target shows of arms with such weights, as far as the log tells.
        """
        weights, shown = self._others
        unseen = weights > float(self.weights.max(initial=0.0)) * (1 + _ROUNDING)
        if not unseen.any():
            return 0.0
        return min(count * float(weights[unseen].max()), float(shown[unseen].sum()))

    @cached_property
    def _others(self) -> tuple[F64, F64]:
        """Least weights of arms that were not shown where another was, and how often the target shows them there."""
        assert self.propensities is not None  # noqa: S101 - as for weights
        chosen = self.propensities < 1
        shown = np.maximum(1 - self.target[chosen] - self.unsupported[chosen], 0.0)
        return shown / (1 - self.propensities[chosen]), shown


def _codes(labels: I64) -> I64:
    """Labels (m,) as they are if they are numbers from 0 on without a gap, else numbered."""
    is_numbered = (
        labels.min(initial=0) >= 0 and labels.max(initial=0) < max(len(labels), 1) and np.bincount(labels).all()
    )
    return labels if is_numbered else numbered(labels)


def reward_range_of(rewards: F64, stated: object) -> tuple[float, float] | None:
    """The ends that rewards lie between: as stated, or 0 and 1 where all lie there; None where nobody knows.

    Raises:
        InputError: the ends are not two ascending finite numbers, or a reward lies outside; names the first such row.
    """
    if stated is None:
        return (0.0, 1.0) if not len(rewards) or (rewards.min() >= 0 and rewards.max() <= 1) else None
    ends = [end for end in stated if is_number(end)] if isinstance(stated, abc.Iterable) else []
    if len(ends) != 2 or not all(isfinite(end) for end in ends) or not ends[0] < ends[1]:
        raise InputError(
            f"reward_range is {stated!r}, expected two numbers, the smallest and the largest possible reward"
        )
    low, high = float(ends[0]), float(ends[1])
    if not isfinite(high - low):
        raise InputError(f"reward_range is {stated!r}, expected two numbers whose difference is finite")
    outside = ~((rewards >= low) & (rewards <= high))
    if outside.any():
        row = int(outside.argmax())
        raise InputError(
            f"row {row} has the reward {rewards[row]:g}, expected {low:g} to {high:g} as reward_range says"
        )
    return low, high


def users_of_decisions(users: I64 | None, decisions: I64 | None) -> I64 | None:
    """The users (m,) as they are, each decision (m,) being one user's; both as ``numbered``.

    Raises:
        InputError: a decision was shown to two users; names the first such row.
    """
    if users is None or decisions is None:
        return users
    of_decision = users[np.unique(decisions, return_index=True)[1]]
    wrong = users != of_decision[decisions]
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"row {row} shows its decision to another user than before; a decision is drawn for one user: number decisions by"
            " user and title"
        )
    return users
