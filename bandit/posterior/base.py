"""What every posterior keeps: evidence apart from the prior, and scores by type."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Generic, Protocol, Self, TypeVar

import numpy.typing as npt

from bandit.scores import Scores


class Evidence(Protocol):
    """Sums (or rows) of impressions, without the prior."""

    def observe(self, contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Add impressions: contexts (m, d), arms (m,), rewards (m,); refused before anything changes."""
        ...

    def merge(self, other: Self) -> None:
        """Add another evidence of the same arms and features."""
        ...

    def forget(self, retention: float) -> None:
        """Discount what was observed so far; ``retention`` in (0, 1]."""
        ...

    def described(self) -> str:
        """What it knows, in a few words: sizes and impressions."""
        ...


class Counted:
    """What counts its changes, so that who keeps something made of it knows when that is old.

    The count is a slot, so that ``vars`` of evidence are its sums alone.
    """

    __slots__ = ("_changes",)
    _changes: int

    @property
    def changes(self) -> int:
        """How often it was changed."""
        return getattr(self, "_changes", 0)

    def _changed(self) -> None:
        self._changes = self.changes + 1


class Scorer(Protocol):
    """What scoring many blocks of users for the same arms needs, computed once."""

    def scores(self, contexts: npt.ArrayLike) -> Scores:
        """Scores of each context (n, d) for the scorer's arms (k,)."""
        ...


Kind = TypeVar("Kind", bound=Evidence)


class Posterior(ABC, Generic[Kind]):
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

    def scores(self, contexts: npt.ArrayLike, arms: npt.ArrayLike) -> Scores:
        """Scores of the arms (k,) for each context (n, d)."""
        return self.scorer(arms).scores(contexts)

    @abstractmethod
    def scorer(self, arms: npt.ArrayLike) -> Scorer:
        """What scoring many blocks of users for the same arms (k,) needs, computed once."""

    @abstractmethod
    def save(self, path: Path | str) -> None:
        """Write evidence and prior to a ``.npz``, whole or not at all; nothing in it needs pickle.

        Raises:
            InputError: the path is a folder, or its folder does not exist.
            SurroundingsError: the file cannot be written.
        """

    @classmethod
    @abstractmethod
    def load(cls, path: Path | str) -> Self:
        """Read what ``save`` wrote."""
