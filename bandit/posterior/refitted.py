"""Posteriors that are fitted from their evidence as a whole, and keep the fit until the evidence changes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, Protocol, TypeVar

import numpy.typing as npt

from bandit.posterior.base import Evidence, Posterior, Scorer


class CountedEvidence(Evidence, Protocol):
    """Evidence that counts its changes."""

    @property
    def changes(self) -> int:
        """How often it was changed."""
        ...


class Fit(Protocol):
    """What scoring needs, without the evidence."""

    def scorer(self, arms: npt.ArrayLike) -> Scorer:
        """What scoring many blocks of users for the same arms (k,) needs, computed once."""
        ...


Kind = TypeVar("Kind", bound=CountedEvidence)
Fitted = TypeVar("Fitted", bound=Fit)


class RefittedPosterior(Posterior[Kind], Generic[Kind, Fitted]):
    """A posterior whose ``fitted`` is computed when it is first asked for, and again after evidence changed.

    Evidence may be changed through the posterior, by its own methods, or be replaced. Only who writes into its arrays has to
    call ``refit``.
    """

    _evidence: Kind
    _fitted: Fitted | None = None
    _fitted_at: int = 0

    @property
    def evidence(self) -> Kind:
        """What was observed, without the prior."""
        return self._evidence

    @evidence.setter
    def evidence(self, evidence: Kind) -> None:
        self._evidence = evidence
        self.refit()

    @property
    def fitted(self) -> Fitted:
        """What scoring needs, without the evidence: what a generation keeps."""
        if self._fitted is None or self._fitted_at != self._evidence.changes:
            self._fitted, self._fitted_at = self._fit(), self._evidence.changes
        return self._fitted

    @abstractmethod
    def _fit(self) -> Fitted: ...

    def refit(self) -> None:
        """Forget the fit; the next question computes it from the evidence as it is then."""
        self._fitted = None

    def scorer(self, arms: npt.ArrayLike) -> Scorer:
        """What scoring many blocks of users for the same arms (k,) needs, computed once."""
        return self.fitted.scorer(arms)
