"""Floors, quantised weights and draws alone."""

from collections.abc import Iterator
from functools import partial

from artwork.bench.checks import check_decisions
from artwork.bench.kernels.setting import Measured, Setting
from artwork.bench.kernels.winning import make_scores
from artwork.bench.results import Row
from artwork.bench.timing import Side
from bandit.hashing import hash_ids
from bandit.policies import ThompsonSampling, decide

PART = "weights and draws"


def measure(setting: Setting) -> Iterator[Row]:
    """Decisions a second from ready probabilities.

    Raises:
        WrongAnswerError: weights or draws do not follow the probabilities.
    """
    for k in (10, 100):
        p = ThompsonSampling().probabilities(make_scores(setting.size.users, k, 5.0))
        hashes = hash_ids(f"u{row}" for row in range(len(p)))
        check_decisions(p, decide(p, hashes))
        work = Side(partial(decide, p, hashes), len(p))
        yield Measured(PART, f"{k} arms", "decisions/s", work).alone(setting.pace)
