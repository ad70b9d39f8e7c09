"""From what a user did to the number learned from."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bandit.errors import InputError


@dataclass(frozen=True)
class EngagedTake:
    """The take: played, and at least ``engaged_fraction`` of the title watched. The default reward.

    A click alone would reward clickbait: artworks that many open and few watch.

    Raises:
        InputError: ``engaged_fraction`` is outside (0, 1].

    >>> EngagedTake().rewards(np.array([True, True, False]), np.array([0.9, 0.2, 0.0]))
    array([1., 0., 0.])
    """

    name: ClassVar[str] = "take"
    engaged_fraction: float = 0.7

    def __post_init__(self) -> None:
        if not 0 < self.engaged_fraction <= 1:
            raise InputError(f"engaged_fraction is {self.engaged_fraction}, expected above 0 and at most 1")

    def rewards(
        self, clicked: npt.NDArray[np.bool_], watch_fraction: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.float64]:
        """1 for a take, 0 otherwise, (m,)."""
        return np.asarray(clicked & (watch_fraction >= self.engaged_fraction), dtype=np.float64)
