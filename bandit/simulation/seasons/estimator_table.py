"""Estimators beside the truth, over many seeds: bias, error, coverage, and how often they say that they cannot tell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from bandit.simulation.seasons.season_run import Ran
from bandit.simulation.seasons.season_table import Mean
from bandit.simulation.seasons.truths import Beside, Ends


@dataclass(frozen=True)
class Coverage:
    """Of the intervals of a kind: how many, the share that the truth was in, and their mean width."""

    intervals: int
    covered: float
    width: float


@dataclass(frozen=True)
class Accuracy:
    """An estimator on the logs of one contender, over all seeds, in takes per impression.

    ``target`` is who was judged, None for all together. ``judged`` counts estimates, ``refused`` is the share of them where the
    log could not tell. ``bias`` (estimate less truth; its error is over seeds) and ``root_mean_square`` are of the estimates that
    stand; ``refused_root_mean_square`` of those that were withheld. ``cautioned`` is the share whose intervals were said not to
    be believed, for lack of rewards; ``coverage``, by kind of interval, is of the others.
    """

    logging: str
    target: str | None
    estimator: str
    judged: int
    refused: float
    truth: float
    bias: Mean | None
    root_mean_square: float | None
    refused_root_mean_square: float | None
    cautioned: float
    coverage: dict[str, Coverage]


@dataclass(frozen=True)
class _Judged:
    seed: int
    beside: Beside


def accuracies(runs: Sequence[Ran]) -> list[Accuracy]:
    """By logging contender and estimator, over all who were judged, and then of each of them."""
    judged: dict[tuple[str, str | None, str], list[_Judged]] = {}
    for run in runs:
        logging = run.policy if run.posterior is None else f"{run.policy} + {run.posterior}"
        for beside in run.judged:
            for target in (None, beside.target):
                judged.setdefault((logging, target, beside.estimator), []).append(_Judged(run.seed, beside))
    order = sorted(judged, key=lambda key: key[1] is not None)  # stable: as they came, all together first
    return [_accuracy(*key, judged[key]) for key in order]


def _accuracy(logging: str, target: str | None, estimator: str, judged: Sequence[_Judged]) -> Accuracy:
    kept = [one for one in judged if one.beside.value is not None]
    errors = [(one.beside.value or 0.0) - one.beside.truth for one in kept]
    withheld = [one.beside.refused_value - one.beside.truth for one in judged if one.beside.refused_value is not None]
    return Accuracy(
        logging=logging,
        target=target,
        estimator=estimator,
        judged=len(judged),
        refused=1 - len(kept) / len(judged),
        truth=float(np.mean([one.beside.truth for one in judged])),
        bias=_bias([one.seed for one in kept], errors),
        root_mean_square=_root_mean_square(errors),
        refused_root_mean_square=_root_mean_square(withheld),
        cautioned=sum(one.beside.cautioned for one in judged) / len(judged),
        coverage=dict(_coverages([one.beside for one in kept if not one.beside.cautioned])),
    )


def _bias(seeds: Sequence[int], errors: Sequence[float]) -> Mean | None:
    """The mean error; those of one seed hang together, so the scatter is that of the seeds' means."""
    if not errors:
        return None
    places = np.unique(seeds, return_inverse=True)[1]
    by_seed = np.bincount(places, weights=errors) / np.bincount(places)
    return Mean(float(np.mean(errors)), Mean.of(by_seed).error)


def _root_mean_square(errors: Sequence[float]) -> float | None:
    return sqrt(float(np.mean(np.square(errors)))) if errors else None


def _coverages(kept: Sequence[Beside]) -> Iterator[tuple[str, Coverage]]:
    kinds = dict.fromkeys(kind for one in kept for kind in one.intervals)
    for kind in sorted(kinds):
        ends: list[Ends] = [one.intervals[kind] for one in kept if kind in one.intervals]
        widths = [one.upper - one.lower for one in ends]
        yield kind, Coverage(len(ends), float(np.mean([one.covers for one in ends])), float(np.mean(widths)))
