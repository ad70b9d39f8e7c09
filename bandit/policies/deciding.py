"""From probabilities to one arm, so that the logged propensity is the truth to the last bit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, U8, U16, U64, hash_array, integer_array, is_count, is_number, real_array, writable
from bandit.errors import InputError
from bandit.kernels.deciding import draw_rows, quantise_rows
from bandit.policies.base import eligible_rows, mask_rows
from bandit.snapshot import MAX_ARMS, TOTAL_WEIGHT

FLOOR = 0.02
NEW_FLOOR = 0.05
NEW_ARM_IMPRESSIONS = 100
"""Impressions below which an arm is new."""
_SUM_TOLERANCE = 1e-6


class Decisions(NamedTuple):
    """The drawn arm of each decision, (n,) uint8, and its weight, (n,) uint16; the propensity is weight / total."""

    arms: U8
    weights: U16


def decide(
    probabilities: npt.ArrayLike,
    hashes: npt.ArrayLike,
    eligible: npt.ArrayLike | None = None,
    new: npt.ArrayLike | None = None,
    floor: float = FLOOR,
    new_floor: float = NEW_FLOOR,
    total: int = TOTAL_WEIGHT,
) -> Decisions:
    """Floor, quantise and draw: one arm a decision, with the weight that it was drawn with.

    Args:
        probabilities: of each arm, (n, k), rows summing to one.
        hashes: keyed hash of each decision, (n,) uint64.
        eligible: arms that may be shown, (k,) or (n, k).
        new: arms that have few impressions yet, (k,) or (n, k); together they are guaranteed min(count · new_floor, 0.5).
        floor: share spread evenly over the eligible arms.
        new_floor: share guaranteed to each new arm.
        total: what the weights of a decision add up to.

    Raises:
        InputError: shapes differ, a row does not sum to one, or a floor or the total is out of range.

    >>> from bandit.hashing import hash_ids
    >>> decide(np.array([[0.0, 1.0]]), hash_ids(["any"]), floor=0.0)
    Decisions(arms=array([1], dtype=uint8), weights=array([65535], dtype=uint16))
    """
    return draw_quantised(quantise(probabilities, eligible, new, floor, new_floor, total), hashes, total)


def quantise(
    probabilities: npt.ArrayLike,
    eligible: npt.ArrayLike | None = None,
    new: npt.ArrayLike | None = None,
    floor: float = FLOOR,
    new_floor: float = NEW_FLOOR,
    total: int = TOTAL_WEIGHT,
) -> U16:
    """The full weight vector of each decision, (n, k) uint16, adding up to ``total`` = T.

    With k eligible arms of which n_new are new, ν = min(n_new·φ_new, 0.5): p̃ = (1-φ-ν)p + φ/k + ν·[new]/n_new, then
    w = 1 + largest remainder of p̃·(T-k); without "+1" and with T when φ = 0. Equal remainders go to the lowest arm.

    Raises:
        InputError: as for ``decide``.

    >>> quantise(np.array([[0.5, 0.5]]), floor=0.0)
    array([[32768, 32767]], dtype=uint16)
    >>> quantise(np.array([[0.5, 0.5]]), floor=0.0, total=4095)
    array([[2048, 2047]], dtype=uint16)
    """
    p = _checked(real_array("probabilities", probabilities), floor, new_floor)
    shape = (p.shape[0], p.shape[1])
    units = _checked_total(total, shape[1])
    masked = eligible is not None or new is not None
    rows = eligible_rows(shape if masked else (0, shape[1]), eligible)  # without masks the kernel reads none
    fresh = np.zeros(rows.shape, dtype=np.bool_) if new is None else mask_rows("new", new, shape)
    # A product with ones takes 4 ns per row of 10 arms, ``sum(axis=1)`` 20.
    sums = (p if eligible is None else np.where(rows, p, 0.0)) @ np.ones(shape[1])
    off = np.abs(sums - 1) > _SUM_TOLERANCE
    if off.any():
        row = int(off.argmax())
        raise InputError(f"row {row} of the probabilities sums to {sums[row]} over its eligible arms, expected 1")
    out = np.empty(shape, dtype=np.uint16)
    quantise_rows(writable(p), rows, fresh & rows, float(floor), float(new_floor), out, units)
    return out


def draw_arms(weights: npt.ArrayLike, hashes: npt.ArrayLike, total: int = TOTAL_WEIGHT) -> Decisions:
    """The arm that each hash selects: the smallest a with cumsum(w)[a] > ⌊h·T/2⁶⁴⌋, T the ``total`` of each row of weights.

    ``bandit.snapshot.draw`` is the same rule for one decision.

    Raises:
        InputError: there is not one hash per row, or a row of weights does not add up to the total.
    """
    whole = _checked_weights(weights)
    units = _checked_total(total, whole.shape[1])
    words = _checked_hashes(whole, hashes)
    off = whole.sum(axis=1, dtype=np.int64) != units
    if off.any():
        row = int(off.argmax())
        raise InputError(
            f"row {row} of the weights adds up to {int(whole[row].sum())}, expected {units}; quantise before drawing"
        )
    return _drawn(whole, words, units)


def draw_quantised(weights: U16, hashes: npt.ArrayLike, total: int = TOTAL_WEIGHT) -> Decisions:
    """``draw_arms`` of weights that ``quantise`` has made: that they add up is not checked again.

    Raises:
        InputError: there is not one hash per row.
    """
    return _drawn(weights, _checked_hashes(weights, hashes), total)


def _drawn(weights: U16, hashes: U64, total: int) -> Decisions:
    arms = np.empty(weights.shape[0], dtype=np.uint8)
    chosen = np.empty(weights.shape[0], dtype=np.uint16)
    draw_rows(weights, hashes, arms, chosen, total)
    return Decisions(arms, chosen)


def _checked_total(total: int, n_arms: int) -> int:
    if not (is_count(total) and n_arms <= total <= TOTAL_WEIGHT):
        raise InputError(
            f"total is {total!r}, expected a whole number from {n_arms}, one unit for each arm, to {TOTAL_WEIGHT}"
        )
    return int(total)


def _checked_weights(weights: npt.ArrayLike) -> U16:
    array = integer_array("weights", weights)
    if array.ndim != 2:
        raise InputError(f"weights have the shape {array.shape}, expected (n, k): a row a decision")
    wrong = ((array < 0) | (array > TOTAL_WEIGHT)).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(f"row {row} has the weights {array[row].tolist()}, expected 0 to {TOTAL_WEIGHT}")
    return array.astype(np.uint16)


def _checked_hashes(weights: U16, hashes: npt.ArrayLike) -> U64:
    array = hash_array("hashes", hashes)
    if array.shape != weights.shape[:1]:
        raise InputError(f"hashes are {array.shape} {array.dtype}, expected {weights.shape[:1]} uint64: one a decision")
    return writable(array)


def _checked(p: F64, floor: float, new_floor: float) -> F64:
    if p.ndim != 2 or not 1 <= p.shape[1] <= MAX_ARMS:
        raise InputError(f"probabilities have the shape {p.shape}, expected (n, k) with 1 to {MAX_ARMS} arms")
    if not (p.min(initial=0.0) >= 0 and p.max(initial=0.0) < np.inf):  # a NaN fails both
        row = int((~((p >= 0) & (p < np.inf)).all(axis=1)).argmax())
        raise InputError(f"probabilities must be finite and at least 0, and row {row} of them is {p[row, :8].tolist()}")
    for name, value in (("floor", floor), ("new_floor", new_floor)):
        if not (is_number(value) and 0 <= value <= 0.5):
            raise InputError(f"{name} is {value!r}, expected a share between 0 and 0.5")
    return p
