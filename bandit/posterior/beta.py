"""Take rates without context: an arm shrinks to its title, a title to the catalogue."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from bandit.errors import InputError
from bandit.posterior.checks import F64, I64, checked_arms, checked_rewards
from bandit.scores import BetaScores

TITLE_STRENGTH = 100.0
CATALOGUE_STRENGTH = 100.0
_CATALOGUE_PRIOR = (1.0, 20.0)  # takes and impressions of the vaguest prior: a take rate of 5 %


@dataclass
class BetaEvidence:
    """Sums over impressions without the prior: ``takes`` Σ r and ``impressions``, both (k,)."""

    takes: F64
    impressions: F64

    @classmethod
    def empty(cls, n_arms: int) -> Self:
        """Evidence of no impressions."""
        return cls(np.zeros(n_arms), np.zeros(n_arms))

    def observe(self, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Add impressions: arms (m,), rewards (m,) in [0, 1].

        Raises:
            InputError: before anything changes, when an arm is unknown or a reward out of range.
        """
        n_arms = len(self.takes)
        rows = checked_arms(arms, n_arms)
        r = checked_rewards(rewards, len(rows))
        self.takes += np.bincount(rows, weights=r, minlength=n_arms)
        self.impressions += np.bincount(rows, minlength=n_arms)

    def merge(self, other: "BetaEvidence") -> None:
        """Add another evidence of the same arms.

        Raises:
            InputError: it has another number of arms.
        """
        if other.takes.shape != self.takes.shape or other.impressions.shape != self.impressions.shape:
            raise InputError(
                f"evidence of {len(other.takes)} arms cannot be merged into evidence of {len(self.takes)} arms"
            )
        self.takes += other.takes
        self.impressions += other.impressions


class BetaPosterior:
    """Beta posterior of each arm's take rate, with a prior whose mean is the title's own shrunk rate.

    The title's rate is m_t = (takes_t + s_c·m) / (impressions_t + s_c) with m the catalogue's; the arm's posterior is
    Beta(takes_a + s_t·m_t, impressions_a - takes_a + s_t·(1-m_t)). Strengths are in impressions.

    Args:
        titles: the title of each arm as an index, (k,).
        title_strength: s_t, impressions that the title's rate counts for in an arm.
        catalogue_strength: s_c, impressions that the catalogue's rate counts for in a title.

    Raises:
        InputError: titles are not indices, or a strength is not above 0.

    >>> posterior = BetaPosterior(np.array([0, 0]), title_strength=10, catalogue_strength=10)
    >>> posterior.observe(np.array([0, 0, 1]), np.array([1.0, 0.0, 0.0]))
    >>> posterior.rates.round(4)
    array([0.2032, 0.1307])
    """

    def __init__(
        self,
        titles: npt.ArrayLike,
        title_strength: float = TITLE_STRENGTH,
        catalogue_strength: float = CATALOGUE_STRENGTH,
    ) -> None:
        self.titles: I64 = np.asarray(titles)
        if self.titles.ndim != 1 or not np.issubdtype(self.titles.dtype, np.integer) or not (self.titles >= 0).all():
            raise InputError(f"titles are {self.titles.shape} {self.titles.dtype}, expected (k,) indices from 0")
        for name, value in (("title_strength", title_strength), ("catalogue_strength", catalogue_strength)):
            if not value > 0:
                raise InputError(f"{name} is {value}, expected a number of impressions above 0")
        self.title_strength, self.catalogue_strength = float(title_strength), float(catalogue_strength)
        self.evidence = BetaEvidence.empty(len(self.titles))

    def observe(self, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Add impressions: arms (m,), rewards (m,) in [0, 1]; see ``BetaEvidence.observe``."""
        self.evidence.observe(arms, rewards)

    def merge(self, other: "BetaPosterior | BetaEvidence") -> None:
        """Add another evidence; the prior stays this one's."""
        self.evidence.merge(other.evidence if isinstance(other, BetaPosterior) else other)

    @property
    def title_impressions(self) -> F64:
        """Impressions of each title, (t,)."""
        return np.asarray(np.bincount(self.titles, weights=self.evidence.impressions), dtype=np.float64)

    @property
    def title_rates(self) -> F64:
        """Take rate of each title, shrunk to the catalogue's, (t,)."""
        takes, shown = _CATALOGUE_PRIOR
        catalogue = (self.evidence.takes.sum() + takes) / (self.evidence.impressions.sum() + shown)
        pulled = np.bincount(self.titles, weights=self.evidence.takes) + self.catalogue_strength * catalogue
        return np.asarray(pulled / (self.title_impressions + self.catalogue_strength))

    @property
    def rates(self) -> F64:
        """Posterior mean of each arm's take rate, (k,)."""
        return np.asarray(self.scores(np.arange(len(self.titles))).expected[0])

    def scores(self, arms: npt.ArrayLike) -> BetaScores:
        """Parameters of the given arms, (1, k): the same for every user."""
        rows = checked_arms(arms, len(self.titles))
        prior = self.title_rates[self.titles[rows]]
        takes, shown = self.evidence.takes[rows], self.evidence.impressions[rows]
        successes = takes + self.title_strength * prior
        failures = shown - takes + self.title_strength * (1 - prior)
        return BetaScores(successes[None], failures[None])

    def save(self, path: Path) -> None:
        """Write sums and strengths to a ``.npz``; nothing in it needs pickle."""
        with path.open("wb") as file:
            np.savez(
                file,
                titles=self.titles,
                takes=self.evidence.takes,
                impressions=self.evidence.impressions,
                strengths=np.array([self.title_strength, self.catalogue_strength]),
            )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as file:
            posterior = cls(file["titles"], *file["strengths"].tolist())
            posterior.merge(BetaEvidence(file["takes"], file["impressions"]))
        return posterior
