"""What is asked of another library: learn a log, choose arms, and show its posterior by drawing from it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from artwork.bench.kernels.data import Log
from bandit.arrays import F64


class Rival(ABC):
    """A Thompson sampler over one Gaussian linear model per arm, prior and noise precision 1.

    ``calls`` names what is timed. ``aside`` says what a reader of its figures should know. None of them gives propensities.
    """

    calls: ClassVar[str]
    aside: ClassVar[str] = ""

    @classmethod
    @abstractmethod
    def learn(cls, log: Log) -> Self:
        """A sampler that has learned a log from nothing, ready to choose: what ``observe`` is compared with."""

    @abstractmethod
    def choose(self, contexts: F64) -> Sequence[int] | npt.NDArray[np.generic]:
        """An arm for each context (n, d): what decisions are compared with."""

    @abstractmethod
    def draws(self, contexts: F64, count: int) -> F64:
        """Draws of each arm's expected reward, (count, n, k): what its posterior is judged by."""
