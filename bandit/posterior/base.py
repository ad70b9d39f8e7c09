"""What every posterior keeps: evidence apart from the prior, and scores by type; some are refitted when evidence changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64
from bandit.checks import checked_retention
from bandit.errors import InputError
from bandit.posterior.files import Saved
from bandit.scores import Scores


class Evidence(ABC):
    """Sums of impressions, or their rows, without the prior.

    ``changes`` counts, so that who keeps something made of it knows when that is old. The count is a slot, so that ``vars`` of
    evidence are its sums alone.
    """

    __slots__ = ("_changes",)
    _changes: int
    kind: ClassVar[str]
    """Its word, under which days of it are kept."""
    axes: ClassVar[str] = "arms, features"
    """What ``shape`` counts."""

    @classmethod
    @abstractmethod
    def empty(cls, n_arms: int, n_features: int) -> Self:
        """Evidence of no impressions."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """(k, d): arms and features."""

    @abstractmethod
    def observe(self, contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Add impressions: contexts (m, d), arms (m,), rewards (m,); refused before anything changes."""

    @abstractmethod
    def described(self) -> str:
        """What it knows, in a few words: sizes and impressions."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.described()})"

    @property
    def changes(self) -> int:
        """How often it was changed."""
        return getattr(self, "_changes", 0)

    def _changed(self) -> None:
        self._changes = self.changes + 1

    def merge(self, other: Evidence) -> None:
        """Add another evidence of the same arms and features.

        Raises:
            InputError: its kind or shape differs.
        """
        if not isinstance(other, type(self)):
            raise InputError(
                f"{type(other).__name__} cannot be merged into {type(self).__name__}; merge posteriors of one kind, or their"
                " evidence"
            )
        if other.shape != self.shape:
            raise InputError(
                f"evidence of {other.shape} ({self.axes}) cannot be merged into evidence of {self.shape};"
                " both need the same catalogue and settings"
            )
        self._add(other)
        self._changed()

    def forget(self, retention: float) -> None:
        """Discount what was observed so far.

        Raises:
            InputError: ``retention`` is outside (0, 1].
        """
        self._discount(checked_retention(retention))
        self._changed()

    def _add(self, other: Self) -> None:
        for name, sums in vars(self).items():
            np.add(sums, getattr(other, name), out=sums)

    def _discount(self, kept: float) -> None:
        for sums in vars(self).values():
            np.multiply(sums, kept, out=sums)


class Scorer(Protocol):
    """What scoring many blocks of users for the same arms needs, computed once."""

    def scores(self, contexts: npt.ArrayLike) -> Scores:
        """Scores of each context (n, d) for the scorer's arms (k,)."""
        ...


class Model(Protocol):
    """What scoring needs, which may be less than what learning does: what a generation of picks keeps."""

    def scorer(self, arms: npt.ArrayLike) -> Scorer:
        """What scoring many blocks of users for the same arms (k,) needs, computed once."""
        ...

    def save(self, path: Path) -> None:
        """Write it to a ``.npz``."""
        ...


class Arms(Protocol):
    """What is known of A arms beside the evidence, when a posterior is fitted to it."""

    @property
    def titles(self) -> I64:
        """The title of each, (A,)."""
        ...

    @property
    def levels(self) -> F64:
        """The take rate that each starts with: its title's, (A,)."""
        ...

    @property
    def constant_feature(self) -> int | None:
        """The feature that is 1 in every context, whose weight is the level of an arm; None if there is none."""
        ...

    @property
    def features(self) -> npt.ArrayLike | None:
        """What the artworks show, (A, f); None where it is not known."""
        ...

    @property
    def seed(self) -> int:
        """Of joint draws."""
        ...


class Estimated(NamedTuple):
    """The precisions of a prior, which may have been estimated, and that of the noise, where there is one."""

    prior_precision: tuple[float, ...] = ()
    noise_precision: float | None = None


Kind = TypeVar("Kind", bound=Evidence)


class Posterior(Saved, Generic[Kind]):
    """What is believed of each arm: a prior, and the evidence on top of it.

    ``name`` is the posterior's word on the command line and in manifests.
    """

    name: ClassVar[str]
    evidence: Kind

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.evidence.described()})"

    def observe(self, contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Add impressions: contexts (m, d), arms (m,), rewards (m,).

        ``linear`` and ``shared`` learn from rewards in any unit, up to 1e50; ``beta`` and ``logistic`` from those in [0, 1].

        Raises:
            InputError: before anything changes, when shapes, arms, rewards or features are wrong.
        """
        self.evidence.observe(contexts, arms, rewards)

    def merge(self, other: Posterior[Kind] | Kind) -> None:
        """Add another evidence, or the evidence of another posterior; the prior stays this one's.

        Raises:
            InputError: it is of another kind, or of other arms or features.
        """
        self.evidence.merge(other.evidence if isinstance(other, Posterior) else other)

    def forget(self, retention: float) -> None:
        """Discount the evidence, never the prior.

        Raises:
            InputError: ``retention`` is outside (0, 1].
        """
        self.evidence.forget(retention)

    @property
    def model(self) -> Model:
        """What scoring needs: what a generation of picks keeps."""
        return self

    @property
    def estimated(self) -> Estimated:
        """The precisions that it has."""
        return Estimated()

    def scores(self, contexts: npt.ArrayLike, arms: npt.ArrayLike) -> Scores:
        """Scores of the arms (k,) for each context (n, d)."""
        return self.scorer(arms).scores(contexts)

    @abstractmethod
    def scorer(self, arms: npt.ArrayLike) -> Scorer:
        """What scoring many blocks of users for the same arms (k,) needs, computed once."""


Fitted = TypeVar("Fitted", bound=Model)


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

    @property
    def model(self) -> Fitted:
        """The fit alone."""
        return self.fitted

    @abstractmethod
    def _fit(self) -> Fitted: ...

    def refit(self) -> None:
        """Forget the fit; the next question computes it from the evidence as it is then."""
        self._fitted = None

    def scorer(self, arms: npt.ArrayLike) -> Scorer:
        """What scoring many blocks of users for the same arms (k,) needs, computed once."""
        return self.fitted.scorer(arms)
