"""What is asked of another library: learn a log, choose arms, and show its posterior by drawing from it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from artwork.bench.kernels.data import Log
from bandit.arrays import F64


class Rival(ABC):
    """A library that chooses arms; unless it says otherwise, a Thompson sampler over one Gaussian linear model per arm.

    ``calls`` names what is timed. ``aside`` says what a reader of its figures should know. ``gives_propensity`` says whether
    it tells how likely its choice was, ``has_posterior`` whether it can be compared with ours, prior and noise precision 1,
    and ``learns_logs`` whether it takes impressions of arms that somebody else chose.
    """

    calls: ClassVar[str]
    aside: ClassVar[str] = ""
    gives_propensity: ClassVar[bool] = False
    has_posterior: ClassVar[bool] = True
    learns_logs: ClassVar[bool] = True

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
