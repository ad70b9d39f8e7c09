"""What estimators need of a log and a target policy: a few numbers an impression, whatever the number of arms."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bandit.arrays import integer_array, label_array, numbered, real_array
from bandit.errors import InputError
from bandit.impressions import checked_propensities
from bandit.posterior.checks import check_finite, checked_contexts, real_column

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

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
    where each is one of its own. For checks of the propensities: ``arms``, what was shown; ``contexts``, (m, d); with n the
    impressions of a decision, ``expected_arms`` (A,): Σ π(a|x) / n over all impressions that could show the arm, and
    ``expected_squares`` (A,): Σ π(a|x)² / n over the arm's share p̄_a of its title's impressions. ``shown_arms`` and
    ``shown_squares`` are the same without n, where decisions are shown several times.
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
        if self.clusters is not None:
            codes = label_array("clusters", self.clusters, count)
            is_numbered = (
                codes.min(initial=0) >= 0 and codes.max(initial=0) < max(count, 1) and np.bincount(codes).all()
            )
            object.__setattr__(self, "clusters", codes if is_numbered else numbered(codes))
        if self.propensities is not None:
            checked_propensities(self.propensities, count)
        for name in _BY_IMPRESSION:
            value = getattr(self, name)
            wanted = (count,) if value is None or name != "contexts" else (count, *value.shape[1:2])
            if value is not None and value.shape != wanted:
                raise InputError(
                    f"{name} have the shape {value.shape}, expected {wanted}: one an impression, as rewards"
                )
        arms = {name: value.shape for name in _BY_ARM if (value := getattr(self, name)) is not None}
        if len({*arms.values()}) > 1 or any(len(shape) != 1 for shape in arms.values()):
            raise InputError(f"sums by arm have the shapes {arms}, expected (A,): one an arm")

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
    def shares(self) -> F64:
        """What each impression is of its decision, 1 / n, (m,)."""
        return np.ones(len(self)) if self.clusters is None else np.asarray(1 / self.sizes[self.clusters])

    @cached_property
    def possible_weight(self) -> float:
        """The largest weight that the log shows to have been possible: there, or of an arm that was not shown.

        Where the shown arm has p and π, some other arm has a weight of at least (1 - π) / (1 - p).
        """
        assert self.propensities is not None  # noqa: S101 - as for weights
        others = self.propensities < 1
        rest = (1 - self.target[others] - self.unsupported[others]) / (1 - self.propensities[others])
        return max(float(self.weights.max(initial=0.0)), float(rest.max(initial=0.0)))
