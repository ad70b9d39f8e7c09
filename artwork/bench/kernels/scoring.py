"""Moments of a linear posterior, against the core's own matrix product in the same run."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from artwork.bench.kernels.checks import check_moments
from artwork.bench.kernels.data import BLOCK, learned, make_contexts, make_log
from artwork.bench.kernels.results import Measured, Row, Setting
from artwork.bench.timing import Side
from bandit.arrays import F64
from bandit.posterior.linear import LinearScorer

PART = "scores"
_GIGA = 1e9
_SIDE = 768  # of the square matrices: three of 4.5 MiB in double precision, large enough for the library's full rate


def measure(setting: Setting) -> Iterator[Row]:
    """Scores per second, and the whitening product's operations per second beside the core's rate.

    Raises:
        WrongAnswerError: the moments differ from the normal equations'.
    """
    size = setting.size
    log, contexts = make_log(size), make_contexts(size)
    scorer = learned(log).scorer(np.arange(log.n_arms))
    check_moments(scorer.scores(contexts), log, contexts)
    work = partial(_score, scorer, contexts)
    count = size.users * size.arms
    about = f"{size.arms} arms, d = {size.features}, blocks of {BLOCK} users"
    yield Measured(PART, "means and deviations", "scores/s", Side(work, count), about).alone(setting.pace)
    ours = Side(work, count * (2 * size.features**2 + 2 * size.features) / _GIGA)
    whitening = Measured(
        PART, "whitening product", "GFLOP/s", ours, "counted as x times a dense L⁻ᵀ and w for each arm"
    )
    for kind in (np.float64, np.float32):
        yield whitening.beside(f"{np.dtype(kind)} matrix product", matrix_product(kind), setting.pace)


def matrix_product(kind: type[np.floating]) -> Side:
    """A product of two square matrices, in billions of operations."""
    random = np.random.default_rng(4)
    left, right = (random.normal(size=(_SIDE, _SIDE)).astype(kind) for _ in range(2))
    out: npt.NDArray[np.floating] = np.empty_like(left)
    return Side(partial(np.matmul, left, right, out=out), 2 * _SIDE**3 / _GIGA)


def _score(scorer: LinearScorer, contexts: F64) -> None:
    for at in range(0, len(contexts), BLOCK):
        scorer.scores(contexts[at : at + BLOCK])
