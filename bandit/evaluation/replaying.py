"""Replay of policies that learn: what one would have come to that learns as it goes, in batches of the size one deploys."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, is_count, numbered
from bandit.deploying import Floors
from bandit.errors import InputError
from bandit.evaluation.estimate import check_uniform
from bandit.evaluation.estimators import Terms
from bandit.evaluation.intervals.normal import NONE, Interval, normal_interval, standard_error
from bandit.evaluation.judging import samples_of
from bandit.evaluation.learning import Learned, learn
from bandit.evaluation.sample import Sample
from bandit.evaluation.splitting import in_time
from bandit.evaluation.targets import PolicyTarget
from bandit.impressions import ImpressionLog
from bandit.policies import Policy
from bandit.posterior.registry import WITHOUT_CONTEXT
from bandit.snapshot import hash_base

PURPOSE: Final = "replay"
"""Of the keyed hash that the policies' draws come from."""


@dataclass(frozen=True)
class Replayed:
    """What a learning policy came to on a uniform log.

    ``offered`` impressions were gone through, ``kept`` are those at which the policy chose as the log did. ``kept_by_batch`` and
    ``value_by_batch`` are of each batch, the value None where nothing was kept.
    """

    policy: str
    offered: int
    kept: int
    value: float | None
    lower: float | None
    upper: float | None
    kept_by_batch: list[int]
    value_by_batch: list[float | None]


def replay_learning(
    log: ImpressionLog,
    policy: Policy,
    posterior: str,
    batch_size: int,
    *,
    features: npt.ArrayLike | None = None,
    floors: Floors | None = None,
    level: float = 0.95,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> Replayed:
    """Go through a uniform log in time: keep an impression if the policy draws what was shown, learn at each batch's end.

    Li, Chu, Langford and Wang (2011, algorithm 2): what is kept is distributed as if the policy had run, its own learning
    included, with 1 / k of the impressions for titles of k arms. Where k differs, those of titles with few arms are thinned
    until every title keeps 1 / (the largest k), else small titles would count more. ``batch_size`` counts kept impressions,
    which is what the policy itself would have shown between two updates. Until something is kept it knows nothing, as on its
    first day.

    Args:
        log: under uniform.
        policy: any of ``bandit.policies``.
        posterior: what its scores come from.
        batch_size: kept impressions between two updates.
        features: of the artworks, (A, f), for the posterior ``shared``.
        floors: that the policy is deployed with; None replays the bare one.
        level: of the interval, which takes kept impressions of one user, or else decision, together.
        seed: of the policy's draws.
        report: told how many impressions are done.

    Raises:
        InputError: the log is not uniform, has no propensities, or the batch size is not a whole number of at least 1.
    """
    if not is_count(batch_size):
        raise InputError(
            f"the batch size of replay is {batch_size!r}, expected a whole number of impressions, at least 1"
        )
    if log.propensities is None:
        raise InputError("replay needs propensities, and there are none; dm alone works without them")
    log = in_time(log)
    uniforms = np.random.default_rng(hash_base(PURPOSE, seed, 0)).random(len(log))
    kept: list[I64] = []
    values: list[float | None] = []
    at = 0
    while at < len(log):
        learned = _learned(log, kept, posterior, features, seed)
        taken, at = _batch(log, PolicyTarget(policy, learned, floors), uniforms, at, batch_size)
        kept.append(taken)
        values.append(float(log.rewards[taken].mean()) if len(taken) else None)
        report(at, len(log))
    shown = log.take(np.concatenate(kept))
    rewards = shown.rewards
    interval = _interval(shown, level)
    return Replayed(
        policy.name,
        len(log),
        len(rewards),
        float(rewards.mean()) if len(rewards) else None,
        interval.lower if np.isfinite(interval.lower) else None,
        interval.upper if np.isfinite(interval.upper) else None,
        [len(rows) for rows in kept],
        values,
    )


def _learned(log: ImpressionLog, kept: list[I64], posterior: str, features: npt.ArrayLike | None, seed: int) -> Learned:
    rows = np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)
    # Before anything is kept no fit has anything to stand on: popularity's prior, the same for all arms, is what is known.
    return learn(log.take(rows), posterior if len(rows) else WITHOUT_CONTEXT, features, seed)


def _batch(log: ImpressionLog, target: PolicyTarget, uniforms: F64, start: int, size: int) -> tuple[I64, int]:
    """The kept impressions from ``start`` on, as many as a batch holds, and where the next begins."""
    kept: list[int] = []
    step, largest = max(256, size), int(log.n_eligible.max())
    while start < len(log) and len(kept) < size:
        rows = np.arange(start, min(start + step, len(log)))
        part = log.take(rows)
        sample = samples_of(part, [target])[0]
        check_uniform(sample, part.n_eligible)
        chosen = rows[uniforms[rows] < sample.target * part.n_eligible / largest][: size - len(kept)]
        kept.extend(chosen.tolist())
        start = int(chosen[-1]) + 1 if len(kept) == size else int(rows[-1]) + 1
    return np.array(kept, dtype=np.int64), start


def _interval(shown: ImpressionLog, level: float) -> Interval:
    count = len(shown)
    if count == 0:
        return NONE
    nothing = np.zeros(count)
    whose = shown.clusters if shown.users is None else shown.users
    sample = Sample(shown.rewards, nothing, nothing, None, clusters=None if whose is None else numbered(whose))
    terms = Terms(numerator=shown.rewards)
    return normal_interval(terms.value, standard_error(sample, terms), level)
