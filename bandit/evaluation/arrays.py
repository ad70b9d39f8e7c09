"""Plain arrays of anybody, checked row by row, as what estimators need."""

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, Bool, label_array, numbered, real_array
from bandit.checks import checked_arms, checked_rewards
from bandit.errors import InputError
from bandit.evaluation.sample import Sample, users_of_decisions
from bandit.impressions import checked_propensities
from bandit.policies.base import mask_rows

_SUM_TOLERANCE = 1e-6


def sample_of_arrays(
    rewards: npt.ArrayLike,
    arms: npt.ArrayLike,
    propensities: npt.ArrayLike | None,
    target_probabilities: npt.ArrayLike,
    reward_estimates: npt.ArrayLike | None,
    clusters: npt.ArrayLike | None,
    eligible: npt.ArrayLike | None,
    users: npt.ArrayLike | None = None,
) -> Sample:
    """The sample of ``estimate``'s arrays, which has their shapes and errors.

    Raises:
        InputError: names what is wrong, and the first such row.
    """
    p = checked_table("target_probabilities", target_probabilities)
    shown = checked_arms(arms, p.shape[1])
    count = len(shown)
    if len(p) != count:
        raise InputError(f"target_probabilities have {len(p)} rows for {count} arms, expected one per impression")
    r = checked_rewards(rewards, count)
    logged = None if propensities is None else checked_propensities(propensities, count)
    q = None if reward_estimates is None else _estimates(reward_estimates, p.shape)
    able = None if eligible is None else _eligible(eligible, shown, (count, p.shape[1]))
    at = np.arange(count)
    decisions = _numbered("clusters", clusters, count)
    of_decision = np.ones(count) if decisions is None else 1 / np.bincount(decisions)[decisions]  # 1 / n, (m,)
    shares = np.bincount(shown, minlength=p.shape[1]) / max(count, 1)
    kept = supported(p, shown, logged, able, shares > 0)
    return Sample(
        rewards=r,
        target=p[at, shown],
        unsupported=(p - kept).sum(axis=1),
        propensities=logged,
        logged_estimates=None if q is None else q[at, shown],
        target_estimates=None if q is None else np.einsum("mk,mk->m", p, q),
        arms=shown,
        expected_arms=of_decision @ kept,
        expected_squares=of_decision @ kept**2 / np.where(shares > 0, shares, 1.0),
        shown_arms=None if decisions is None else kept.sum(axis=0),
        shown_squares=None if decisions is None else (kept**2).sum(axis=0) / np.where(shares > 0, shares, 1.0),
        clusters=decisions,
        users=users_of_decisions(_numbered("users", users, count), decisions),
        largest_probability=float(kept.max(initial=0.0)),
    )


def checked_table(name: str, probabilities: npt.ArrayLike) -> F64:
    """Probabilities as (m, k) float64 whose rows sum to one.

    Raises:
        InputError: they do not, or one is negative or not finite; names the first such row.
    """
    p = real_array(name, probabilities)
    if p.ndim != 2 or not p.shape[1]:
        raise InputError(f"{name} have the shape {p.shape}, expected (m, k): a row per impression")
    with np.errstate(all="ignore"):
        sums = p.sum(axis=1)
        wrong = ~((np.abs(sums - 1) <= _SUM_TOLERANCE) & (p >= 0).all(axis=1))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"row {row} of the {name} sums to {sums[row]:.6g} with a smallest of {p[row].min():.6g}, expected 1 and at least 0"
        )
    return p


def supported(p: F64, shown: npt.NDArray[np.integer], logged: F64 | None, eligible: Bool | None, ever: Bool) -> F64:
    """The target's probabilities (n, k) with 0 for arms that the log could not show.

    Those are not eligible, never shown at all, or beside one that was certain.

    Args:
        p: of the target policy, (n, k).
        shown: arms that were shown, (n,).
        logged: their propensities, (n,).
        eligible: (n, k).
        ever: which arms the log shows anywhere, (k,).
    """
    kept = np.where(ever if eligible is None else eligible & ever, p, 0.0)
    if logged is not None and (alone := logged >= 1).any():  # no other arm had a chance
        kept[alone] *= np.arange(p.shape[1]) == shown[alone, None]
    return np.asarray(kept)


def choices_of(eligible: npt.ArrayLike | None, sample: Sample) -> npt.NDArray[np.int64]:
    """How many arms each impression of a sample of arrays had to choose from, (m,); ``eligible`` as for ``estimate``."""
    assert sample.expected_arms is not None  # noqa: S101 - a sample of arrays has them
    shape = len(sample), len(sample.expected_arms)
    if eligible is None:
        return np.full(shape[0], shape[1])
    return np.asarray(mask_rows("eligible", eligible, shape).sum(axis=1), dtype=np.int64)


def _estimates(values: npt.ArrayLike, shape: tuple[int, ...]) -> F64:
    q = real_array("reward_estimates", values)
    if q.shape != shape:
        raise InputError(f"reward_estimates have the shape {q.shape}, expected {shape} as target_probabilities have")
    wrong = ~np.isfinite(q).all(axis=1)
    if wrong.any():
        raise InputError(
            f"row {int(wrong.argmax())} of the reward_estimates has a number that is not finite; look at the model"
        )
    return q


def _eligible(eligible: npt.ArrayLike, shown: npt.NDArray[np.int64], shape: tuple[int, int]) -> Bool:
    able = mask_rows("eligible", eligible, shape)
    wrong = ~able[np.arange(len(shown)), shown]
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(f"row {row} shows arm {shown[row]}, which is not among its eligible arms; correct one of them")
    return able


def _numbered(name: str, labels: npt.ArrayLike | None, count: int) -> npt.NDArray[np.int64] | None:
    """The decision, or the user, of each impression as a number, (m,); None where each is one of its own."""
    if labels is None:
        return None
    codes = numbered(label_array(name, labels, count))
    return None if codes.max(initial=-1) == count - 1 else codes
