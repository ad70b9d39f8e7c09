"""What every policy keeps: one signature, and ties that share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, Bool, boolean_array, writable
from bandit.errors import InputError
from bandit.scores import Scores

_TIE = 1e-9  # equal posteriors get means that differ in their last bits, by their place in a matrix product


class Policy(ABC):
    """A rule that turns scores into the probability of each arm.

    ``name`` is the policy's word in logs and on the command line. ``contextual`` says whether it looks at the scores of each user
    or at the popularity that all users share.
    """

    name: ClassVar[str]
    contextual: ClassVar[bool] = True

    @abstractmethod
    def probabilities(self, scores: Scores, eligible: Bool | None = None) -> F64:
        """The probability of each arm, (n, k); rows sum to one, ineligible arms have 0.

        Args:
            scores: of n users for k arms.
            eligible: arms that may be shown, (k,) or (n, k); None stands for all.

        Raises:
            InputError: ``eligible`` is not boolean, has another shape, or a row of it is empty.
        """

    def for_title(self, impressions: float, total: float | None = None) -> Self:  # noqa: ARG002 - policies that decay override it
        """The policy as it stands for a title with that many impressions, in a log with ``total`` of them."""
        return self


def eligible_rows(shape: tuple[int, int], eligible: npt.ArrayLike | None) -> Bool:
    """``eligible`` as a contiguous (n, k) array.

    Raises:
        InputError: it is not boolean, is neither (k,) nor (n, k), or leaves a row without an arm.
    """
    if eligible is None:
        return np.ones(shape, dtype=np.bool_)
    rows = mask_rows("eligible", eligible, shape)
    empty = ~rows.any(axis=1)
    if empty.any():
        raise InputError(
            f"row {int(empty.argmax())} has no eligible arm; leave out titles whose artworks are all retired"
        )
    return rows


def mask_rows(name: str, mask: npt.ArrayLike, shape: tuple[int, int]) -> Bool:
    """A mask of arms as a contiguous (n, k) array.

    Raises:
        InputError: it is not boolean (indices or NaN would pass for a mask), or is neither (k,) nor (n, k).
    """
    array = boolean_array(name, mask, f"of indices make np.isin(np.arange({shape[1]}), indices)")
    if array.shape not in {shape, shape[1:]}:
        raise InputError(
            f"{name} has the shape {array.shape}, expected {shape[1:]} or {shape}: a mask for all users, or one per user"
        )
    return writable(np.ascontiguousarray(array if array.shape == shape else np.broadcast_to(array, shape)))


def share_of_best(values: F64, eligible: Bool) -> F64:
    """All probability on the largest eligible value of each row, shared equally where several tie; (n, k).

    Values tie with the best when they are less by at most ``_TIE`` of it, whatever the other arms are.
    """
    masked = np.where(eligible, values, -np.inf).astype(np.float64, copy=False)
    most = masked.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # near the least double the bound is -inf, which ineligible arms reach as well
        best = (masked >= most - _TIE * np.abs(most)) & eligible
    return np.asarray(best / best.sum(axis=1, keepdims=True), dtype=np.float64)


def share_of_eligible(eligible: Bool) -> F64:
    """The same probability for each eligible arm of a row; (n, k)."""
    return np.asarray(eligible / eligible.sum(axis=1, keepdims=True), dtype=np.float64)
