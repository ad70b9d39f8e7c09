"""Take rates without features: a segment shrinks to its arm, an arm to its title, a title to the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from bandit.arrays import F64, I64, integer_array, is_number, real_array
from bandit.checks import (
    checked_arms,
    checked_choice,
    checked_segments,
    checked_takes,
    own_sums,
)
from bandit.errors import InputError
from bandit.objects import count_of
from bandit.posterior.base import Arms, Evidence, Posterior
from bandit.posterior.files import read
from bandit.scores import BetaScores
from bandit.snapshot import MAX_SEGMENTS

TITLE_STRENGTH = 100.0
CATALOGUE_STRENGTH = 100.0
ARM_STRENGTH = 100.0
PESSIMISM = 0.8
"""Where popularity answers for new users and the evidence comes from Thompson sampling, 0.8 costs 0.1 to 0.2 % of takes if
newcomers are as good as others, and saves 0.1 % if they are worse by 30 %; 0.5 costs 0.3 to 0.5 % and saves no more. Where
popularity is all that explores, 1 is best, for hope is what tries newcomers: it loses 11 % of takes, 0.75 loses 14 %."""
_ROUNDING = 1e-9  # of sums that were discounted many times
_CATALOGUE_PRIOR = (1.0, 20.0)  # takes and impressions of the vaguest prior: a take rate of 5 %


@dataclass(repr=False)
class BetaEvidence(Evidence):
    """Sums over impressions without the prior: ``takes`` Σ r and ``impressions``, both (k,), or (s, k) with segments."""

    kind: ClassVar[str] = "beta"
    axes: ClassVar[str] = "segments, arms"
    takes: F64
    impressions: F64

    def __post_init__(self) -> None:
        axes = "sk" if real_array("takes", self.takes).ndim == 2 else "k"
        own_sums(self, takes=axes, impressions=axes)

    @classmethod
    def empty(cls, n_arms: int, n_segments: int = 0) -> Self:
        """Evidence of no impressions; 0 segments means that impressions have none."""
        shape = (n_segments, n_arms) if n_segments else (n_arms,)
        return cls(np.zeros(shape), np.zeros(shape))

    @property
    def shape(self) -> tuple[int, int]:
        """(s, k): segments, 0 where there are none, and arms."""
        return (self.takes.shape[0] if self.takes.ndim == 2 else 0), self.takes.shape[-1]

    def observe(self, contexts: npt.ArrayLike | None, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Add impressions: segments (m,) as ``contexts``, or None where there are none; arms (m,), rewards (m,) in [0, 1].

        Raises:
            InputError: before anything changes, when a segment or an arm is unknown or a reward out of range.
        """
        n_segments, n_arms = self.shape
        rows = checked_arms(arms, n_arms)
        segments = checked_segments(contexts, n_segments, len(rows))
        r = checked_takes(rewards, len(rows), "beta")
        cells = rows if segments is None else segments * n_arms + rows
        self.takes += np.bincount(cells, weights=r, minlength=self.takes.size).reshape(self.takes.shape)
        self.impressions += np.bincount(cells, minlength=self.takes.size).reshape(self.takes.shape)
        self._changed()

    def check(self) -> None:
        """Refuse sums that no impressions have.

        Raises:
            InputError: takes are below 0 or above the impressions.
        """
        wrong = ~((self.takes >= 0) & (self.takes <= self.impressions * (1 + _ROUNDING)))
        if wrong.any():
            raise InputError(
                f"there are {self.takes[wrong][0]} takes in {self.impressions[wrong][0]} impressions, expected 0 to as many;"
                " train again"
            )

    def described(self) -> str:
        """What it knows, in a few words."""
        segments, arms = self.shape
        sizes = [count_of(arms, "arm"), count_of(segments, "segment")] if segments else [count_of(arms, "arm")]
        return ", ".join([*sizes, count_of(float(self.impressions.sum()), "impression")])

    def over_segments(self) -> BetaEvidence:
        """The same sums over all segments, both (k,)."""
        if self.takes.ndim == 1:
            return self
        return BetaEvidence(self.takes.sum(axis=0), self.impressions.sum(axis=0))


class BetaPosterior(Posterior[BetaEvidence]):
    """Beta posterior of each arm's take rate in each segment; every level is the prior of the one below.

    The title's rate is m_t = (takes_t + s_c·m) / (impressions_t + s_c) with m the catalogue's; the arm's prior is a Beta of
    s_t impressions at the rate κ·m_t; a segment's prior is one of s_a impressions at the arm's posterior mean. Strengths are in
    impressions. The levels above are plugged in as if they were known, their own children's impressions included.

    The pessimism κ < 1 makes a new artwork earn its place. A title's rate is that of the artworks it has shown, mostly its
    best: in simulated catalogues the mean artwork had 0.66 to 0.95 of it. Without pessimism a newcomer starts level with the
    leader, and popularity may show it to everybody before anything is known of it. With it, the floor for new arms shows it,
    and it leads once its impressions say so. Among artworks that are all new, pessimism changes no order.

    Args:
        titles: the title of each arm as an index, (k,).
        title_strength: s_t, impressions that the title's rate counts for in an arm.
        catalogue_strength: s_c, impressions that the catalogue's rate counts for in a title.
        arm_strength: s_a, impressions that the arm's rate counts for in a segment.
        n_segments: at most 64; 0 or None where users have no segment.
        pessimism: κ in (0, 1], the share of its title's rate that an arm starts with; 1 is none.
        prior_rates: rates to start the arms with in place of κ·m_t, (k,), between 0 and 1; None learns them from the titles.

    Raises:
        InputError: titles are not indices, or a strength, size, share or rate is out of range.

    >>> posterior = BetaPosterior(np.array([0, 0]), title_strength=10, catalogue_strength=10, pessimism=1)
    >>> posterior.observe(None, np.array([0, 0, 1]), np.array([1.0, 0.0, 0.0]))
    >>> posterior.rates.round(4)
    array([0.2032, 0.1307])
    >>> posterior.scores(None, [0, 1]).expected.round(4)
    array([[0.2032, 0.1307]])
    """

    name: ClassVar[str] = "beta"

    def __init__(
        self,
        titles: npt.ArrayLike,
        title_strength: float = TITLE_STRENGTH,
        catalogue_strength: float = CATALOGUE_STRENGTH,
        arm_strength: float = ARM_STRENGTH,
        n_segments: int | None = 0,
        pessimism: float = PESSIMISM,
        prior_rates: npt.ArrayLike | None = None,
    ) -> None:
        indices = integer_array("titles", titles)
        if indices.ndim != 1 or not (indices >= 0).all():
            raise InputError(f"titles are {indices.shape} {indices.dtype}, expected (k,) indices from 0")
        self.titles: I64 = indices.copy()
        strengths = {
            "title_strength": title_strength,
            "catalogue_strength": catalogue_strength,
            "arm_strength": arm_strength,
        }
        for name, value in strengths.items():
            if not (is_number(value) and 0 < value < np.inf):
                raise InputError(f"{name} is {value!r}, expected a number of impressions above 0")
        if not (is_number(pessimism) and 0 < pessimism <= 1):
            raise InputError(f"pessimism is {pessimism!r}, expected above 0 and at most 1 (1 is none)")
        if not 0 <= (n_segments or 0) <= MAX_SEGMENTS:
            raise InputError(f"there are {n_segments} segments, expected at most {MAX_SEGMENTS}; 0 is none")
        self.title_strength, self.catalogue_strength = float(title_strength), float(catalogue_strength)
        self.arm_strength, self.pessimism = float(arm_strength), float(pessimism)
        self.explicit = None if prior_rates is None else _checked_rates(prior_rates, len(self.titles))
        self.evidence = BetaEvidence.empty(len(self.titles), n_segments or 0)

    def observe(self, contexts: npt.ArrayLike | None, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Add impressions: segments (m,) as ``contexts`` or None, arms (m,), rewards (m,); see ``BetaEvidence.observe``."""
        self.evidence.observe(contexts, arms, rewards)

    @property
    def title_impressions(self) -> F64:
        """Impressions of each title, (t,)."""
        return self._by_title(self.evidence.over_segments().impressions)

    @property
    def title_rates(self) -> F64:
        """Take rate of each title, shrunk to the catalogue's, (t,); without pessimism."""
        takes, shown = _CATALOGUE_PRIOR
        total = self.evidence.over_segments()
        catalogue = (total.takes.sum() + takes) / (total.impressions.sum() + shown)
        pulled = self._by_title(total.takes) + self.catalogue_strength * catalogue
        return np.asarray(pulled / (self._by_title(total.impressions) + self.catalogue_strength))

    @property
    def prior_rates(self) -> F64:
        """The rate that each arm starts with, (k,): the explicit one, or pessimism × its title's."""
        if self.explicit is not None:
            return self.explicit
        return np.asarray(self.pessimism * self.title_rates[self.titles])

    @property
    def rates(self) -> F64:
        """Posterior mean of each arm's take rate over all segments, (k,)."""
        return np.asarray(self.scores(None, np.arange(len(self.titles))).expected[0])

    def scores(self, contexts: npt.ArrayLike | None, arms: npt.ArrayLike) -> BetaScores:
        """Parameters of the arms (k,) for each segment (n,) given as ``contexts``; for None over all segments, (1, k)."""
        return self.scorer(arms).scores(contexts)

    def scorer(self, arms: npt.ArrayLike) -> BetaScorer:
        """The parameters of the arms (k,) in every segment and over all of them."""
        rows = checked_choice(arms, len(self.titles))
        total, prior = self.evidence.over_segments(), self.prior_rates[rows]
        over_all = _parameters(total.takes[rows], total.impressions[rows], self.title_strength, prior)  # (2, k)
        own = over_all[:, None]
        if self.evidence.shape[0]:
            level = over_all[0] / over_all.sum(axis=0)  # (k,)
            takes, shown = self.evidence.takes[:, rows], self.evidence.impressions[:, rows]
            own = np.concatenate([_parameters(takes, shown, self.arm_strength, level), own], axis=1)  # (2, s + 1, k)
        return BetaScorer(*own)

    @property
    def model(self) -> Rates:
        """Popularity, the same for every user."""
        return Rates(self)

    def _arrays(self) -> dict[str, Any]:
        strengths = [self.title_strength, self.catalogue_strength, self.arm_strength, self.pessimism]
        return {
            "titles": self.titles,
            "takes": self.evidence.takes,
            "impressions": self.evidence.impressions,
            "strengths": np.array(strengths),
            "prior_rates": np.empty(0) if self.explicit is None else self.explicit,
        }

    @classmethod
    def _read(cls, file: NpzFile) -> Self:
        title, catalogue, arm, pessimism = read(file, "strengths", 4).tolist()
        explicit = file["prior_rates"] if file["prior_rates"].size else None
        segments = (len(file["takes"]),) if file["takes"].ndim == 2 else ()
        posterior = cls(file["titles"], title, catalogue, arm, *(segments or (0,)), pessimism, explicit)
        sizes = (*segments, len(posterior.titles))
        posterior.evidence = BetaEvidence(read(file, "takes", *sizes), read(file, "impressions", *sizes))
        posterior.evidence.check()
        return posterior

    def _by_title(self, values: F64) -> F64:
        return np.asarray(np.bincount(self.titles, weights=values), dtype=np.float64)


@dataclass(frozen=True, repr=False)
class BetaScorer:
    """Parameters of some arms' Betas, both (s + 1, k): in each segment, and last over all segments."""

    successes: F64
    failures: F64

    def __repr__(self) -> str:
        segments, arms = len(self.successes) - 1, self.successes.shape[1]
        return f"{type(self).__name__}({count_of(arms, 'arm')}, {count_of(segments, 'segment')})"

    def scores(self, contexts: npt.ArrayLike | None) -> BetaScores:
        """Parameters for each segment (n,) given as ``contexts``, (n, k); for None over all segments, (1, k).

        Raises:
            InputError: a segment is unknown.
        """
        if contexts is None:
            return BetaScores(self.successes[-1:], self.failures[-1:])
        rows = checked_segments(contexts, len(self.successes) - 1)
        return BetaScores(self.successes[rows], self.failures[rows])


class Rates:
    """Popularity as a model: scores (1, k), the same for every user."""

    def __init__(self, posterior: BetaPosterior) -> None:
        self._posterior = posterior
        # All artworks at once: each look at some of them would sum over all titles again.
        self._scores = posterior.scores(None, np.arange(len(posterior.titles)))

    def scorer(self, arms: npt.ArrayLike) -> RatesScorer:
        """The scores of some artworks (k,)."""
        return RatesScorer(BetaScores(self._scores.successes[:, arms], self._scores.failures[:, arms]))  # type: ignore[index]

    def save(self, path: Path) -> None:
        """Write the posterior behind it."""
        self._posterior.save(path)


@dataclass(frozen=True)
class RatesScorer:
    """Scores of some arms, (1, k), whoever asks."""

    everybody: BetaScores

    def scores(self, contexts: npt.ArrayLike) -> BetaScores:  # noqa: ARG002 - popularity is that of all users
        """The one row."""
        return self.everybody


def fit_beta(evidence: BetaEvidence, arms: Arms) -> BetaPosterior:
    """Take rates under the usual strengths, over evidence that is taken as it is, not copied."""
    posterior = BetaPosterior(arms.titles)
    posterior.evidence = evidence
    return posterior


def _parameters(takes: F64, impressions: F64, strength: float, rate: F64) -> F64:
    """Successes and failures of a Beta, (2, ...): the counts, and ``strength`` impressions at ``rate``."""
    return np.stack([takes + strength * rate, impressions - takes + strength * (1 - rate)])


def _checked_rates(rates: npt.ArrayLike, n_arms: int) -> F64:
    array = real_array("prior_rates", rates)
    if array.shape != (n_arms,):
        raise InputError(f"prior_rates have the shape {array.shape}, expected ({n_arms},): one per arm")
    wrong = ~((array > 0) & (array < 1))
    if wrong.any():
        arm = int(wrong.argmax())
        raise InputError(f"arm {arm} has the prior rate {array[arm]}, expected between 0 and 1, both excluded")
    return array
