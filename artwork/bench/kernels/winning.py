"""Win probabilities alone, by kind of scores, arms and how much deviations differ; floors, quantised weights and draws alone."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from artwork.bench.kernels.checks import check_decisions, check_frequencies, check_wins
from artwork.bench.kernels.results import Measured, Row, Setting
from artwork.bench.timing import Side
from bandit.hashing import hash_ids
from bandit.policies import ThompsonSampling, decide
from bandit.scores import BetaScores, Draws, Moments

PART = "win probabilities"
WEIGHTS = "weights and draws"
CASES = [(k, ratio) for k in (10, 20) for ratio in (1.0, 5.0, 25.0, 100.0)] + [(k, 5.0) for k in (3, 50, 100)]
SEGMENTS = (1, 64)  # rows of Beta scores: a title's popularity, or the most segments there can be
_ARMS, _DRAWS, _BLOCK = 10, 256, 256
_CHECKED = 8  # rows against adaptive quadrature, which takes a tenth of a second per row at 100 arms

_THOMPSON = ThompsonSampling()


def measure(setting: Setting) -> Iterator[Row]:
    """Rows per second: Gaussian scores whose deviations are log-uniform over each ratio, Beta scores, joint draws.

    Raises:
        WrongAnswerError: an error is above 1e-6, or a frequency is not the share of draws won.
    """
    for k, ratio in CASES:
        scores = make_scores(setting.size.users, k, ratio)
        yield _timed(setting, f"{k} Gaussian arms, deviations differ by {ratio:g} x", scores, _error(scores))
    for rows in SEGMENTS:
        rates = make_rates(rows, _ARMS)
        yield _timed(setting, f"{_ARMS} Beta arms, {rows} per call", rates, _error(rates))
    draws = make_draws(_DRAWS, _BLOCK, _ARMS)
    check_frequencies(draws, _THOMPSON.probabilities(draws))
    yield _timed(setting, f"{_ARMS} arms, {_DRAWS} joint draws", draws, "frequencies, equal to counting")


def measure_weights(setting: Setting) -> Iterator[Row]:
    """Decisions per second from ready probabilities.

    Raises:
        WrongAnswerError: weights or draws do not follow the probabilities.
    """
    for k in (10, 100):
        p = ThompsonSampling().probabilities(make_scores(setting.size.users, k, 5.0))
        hashes = hash_ids(f"u{row}" for row in range(len(p)))
        check_decisions(p, decide(p, hashes))
        work = Side(partial(decide, p, hashes), len(p))
        yield Measured(WEIGHTS, f"{k} arms", "decisions/s", work).alone(setting.pace)


def make_scores(users: int, arms: int, ratio: float) -> Moments:
    """Standard normal means, and deviations from 1 to ``ratio``."""
    random = np.random.default_rng(3)
    deviations = np.exp(random.uniform(0, np.log(ratio), size=(users, arms)))
    return Moments(random.normal(size=(users, arms)), deviations)


def make_rates(rows: int, arms: int) -> BetaScores:
    """Take rates near 0.3 after 20 to 20,000 impressions per arm."""
    random = np.random.default_rng(6)
    impressions = np.exp(random.uniform(np.log(20), np.log(20_000), size=(rows, arms)))
    rates = random.uniform(0.25, 0.35, size=(rows, arms))
    return BetaScores(rates * impressions, (1 - rates) * impressions)


def make_draws(count: int, users: int, arms: int) -> Draws:
    """Draws that share a part of their noise between arms."""
    random = np.random.default_rng(7)
    values = random.normal(size=(count, users, arms)) + random.normal(size=(count, users, 1))
    return Draws(values, np.zeros((users, arms)))


def _error(scores: Moments | BetaScores) -> str:
    rows = min(_CHECKED, scores.shape[0])
    return f"largest error {check_wins(scores, _THOMPSON.probabilities(scores), rows):.0e} on {rows} rows"


def _timed(setting: Setting, case: str, scores: Moments | BetaScores | Draws, about: str) -> Row:
    side = Side(partial(_THOMPSON.probabilities, scores), scores.shape[0])
    return Measured(PART, case, "rows/s", side, about).alone(setting.pace)
