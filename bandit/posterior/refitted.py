"""Posteriors that are fitted from their evidence as a whole, and keep the fit until the evidence changes."""

from abc import abstractmethod
from typing import Generic, Protocol, TypeVar

import numpy.typing as npt

from bandit.posterior.base import Evidence, Posterior, Scorer


class Fit(Protocol):
    """What scoring needs, without the evidence."""

    def scorer(self, arms: npt.ArrayLike) -> Scorer:
        """What scoring many blocks of users for the arms (k,) needs, computed once."""
        ...


Kind = TypeVar("Kind", bound=Evidence)
Fitted = TypeVar("Fitted", bound=Fit)


class RefittedPosterior(Posterior[Kind], Generic[Kind, Fitted]):
    """A posterior whose ``fitted`` is computed when it is first asked for, and again after evidence changed.

    Evidence is changed through the posterior. Who changes ``evidence`` itself calls ``refit``.
    """

    _fitted: Fitted | None = None

    @property
    def fitted(self) -> Fitted:
        """What scoring needs, without the evidence: what a generation keeps."""
        if self._fitted is None:
            self._fitted = self._fit()
        return self._fitted

    @abstractmethod
    def _fit(self) -> Fitted: ...

    def refit(self) -> None:
        """Forget the fit; the next question computes it from the evidence as it is then."""
        self._fitted = None

    def observe(self, contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Add impressions; see ``Posterior.observe``."""
        super().observe(contexts, arms, rewards)
        self.refit()

    def merge(self, other: "Posterior[Kind] | Kind") -> None:
        """Add another evidence; see ``Posterior.merge``."""
        super().merge(other)
        self.refit()

    def forget(self, retention: float) -> None:
        """Discount the evidence; see ``Posterior.forget``."""
        super().forget(retention)
        self.refit()

    def scorer(self, arms: npt.ArrayLike) -> Scorer:
        """What scoring many blocks of users for the same arms (k,) needs, computed once."""
        return self.fitted.scorer(arms)
