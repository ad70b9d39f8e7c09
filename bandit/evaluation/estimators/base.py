"""What every estimator is: numbers per impression, whose mean or ratio of sums is the value."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import inf
from typing import ClassVar, Final, NamedTuple, Self

import numpy as np

from bandit.arrays import F64, is_number
from bandit.errors import InputError
from bandit.evaluation.sample import Sample

SLOPE: Final = "slope"
"""In place of a number: the data choose."""


class Terms(NamedTuple):
    """The value is mean(base) + Σ numerator / Σ denominator; each is (m,).

    ``base`` None stands for zeros, ``numerator`` None for zeros, ``denominator`` None for ones: a mean.
    """

    base: F64 | None = None
    numerator: F64 | None = None
    denominator: F64 | None = None

    @property
    def value(self) -> float:
        """The estimate; NaN where the denominator is 0."""
        total = 0.0 if self.base is None else float(self.base.mean())
        if self.numerator is None:
            return total
        if self.denominator is None:
            return total + float(self.numerator.mean())
        below = float(self.denominator.sum())
        return total + float(self.numerator.sum()) / below if below else float("nan")

    @property
    def per_decision(self) -> F64:
        """Values of each impression whose mean is the estimate, (m,); a ratio's are linearised at its estimate.

        For a ratio R = ΣN / ΣD they are base + R + (N - R D) m / ΣD, by the delta method (Owen 2013, section 2.7).
        """
        if self.numerator is None:
            assert self.base is not None  # noqa: S101 - an estimator without either estimates nothing
            return self.base
        base = 0.0 if self.base is None else self.base
        if self.denominator is None:
            return np.asarray(base + self.numerator)
        below = float(self.denominator.mean())
        if below == 0:  # nothing that the target would show was shown
            return np.full(len(self.numerator), np.nan)
        ratio = float(self.numerator.mean()) / below
        return np.asarray(base + ratio + (self.numerator - ratio * self.denominator) / below)


class Estimator(ABC):
    """An estimator of a target policy's value from a log.

    ``name`` is its word on the command line. ``needs_weights``: without propensities it does not work. ``needs_model``: without
    estimated rewards it does not work. ``is_unbiased``: with right propensities, support and no clipping, whatever the model.
    ``tuned`` names the parameter that trades bias for variance, if any, whose unbiased end is infinity.
    """

    name: ClassVar[str]
    needs_weights: ClassVar[bool] = True
    needs_model: ClassVar[bool] = False
    is_unbiased: ClassVar[bool] = False
    tuned: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        """Refuse a setting that is no number above 0; None is left to the data, infinity is no limit."""
        if self.setting is not None and not (is_number(self.setting) and self.setting > 0):
            raise InputError(f"{self.tuned} is {self.setting!r}, expected a number above 0, or infinity for none")

    @abstractmethod
    def terms(self, sample: Sample) -> Terms:
        """The terms of a sample that has what the estimator needs."""

    @property
    def setting(self) -> float | None:
        """The value of the tuned parameter; None if there is none, or it is left to the data."""
        return None if self.tuned is None else getattr(self, self.tuned)

    @property
    def chosen(self) -> float:
        """The setting, which somebody has chosen before terms are made."""
        if self.setting is None:
            raise InputError(
                f"{self.name} has no {self.tuned} yet; pass one, or have it chosen by bandit.evaluation.tuning"
            )
        return self.setting

    @property
    def is_unclipped(self) -> bool:
        """Whether nothing is traded for variance."""
        return self.setting in {None, inf}

    def is_consistent(self, largest: float) -> bool:
        """Whether ever more impressions with weights up to ``largest`` bring it to the truth, whatever the model."""
        unused = self.tuned != "shrinkage" and self.setting is not None and self.setting >= largest
        return self.needs_weights and (self.is_unclipped or unused)

    def with_setting(self, value: float) -> Self:
        """The same estimator with the tuned parameter set."""
        assert self.tuned is not None  # noqa: S101 - only what is tuned is asked
        return replace(self, **{self.tuned: value})  # type: ignore[type-var]

    def candidates(self, sample: Sample) -> Sequence[float]:
        """Settings to choose from where it is left to the data, the least biased first: infinity, then falling."""
        quantiles = np.quantile(sample.weights, (1.0, 0.999, 0.99, 0.97, 0.95, 0.9, 0.8, 0.5))
        return (inf, *dict.fromkeys(float(q) for q in quantiles if q > 0))

    @property
    def word(self) -> str:
        """How it is called on the command line, with what differs from its defaults; ``slope`` where SLOPE chooses."""
        named = [(field, getattr(self, field.name)) for field in fields(self)]  # type: ignore[arg-type]
        settings = ",".join(
            f"{field.name}={SLOPE if value is None else str(value).removesuffix('.0')}"
            for field, value in named
            if value != field.default
        )
        return f"{self.name}:{settings}" if settings else self.name


@dataclass(frozen=True)
class ClippedEstimator(Estimator):
    """An estimator for which no weight counts as more than ``clip``."""

    tuned: ClassVar[str | None] = "clip"
    clip: float | None = inf

    def weights(self, sample: Sample) -> F64:
        """Weights as they count, (m,)."""
        return sample.weights if self.chosen == inf else np.minimum(sample.weights, self.chosen)

    def weighted_rewards(self, sample: Sample) -> F64:
        """Rewards by these weights, (m,)."""
        return sample.weighted_rewards if self.chosen == inf else self.weights(sample) * sample.rewards

    def weighted_residuals(self, sample: Sample) -> F64:
        """What the model did not expect by these weights, (m,)."""
        return sample.weighted_residuals if self.chosen == inf else self.weights(sample) * sample.residuals
