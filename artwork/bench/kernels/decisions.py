"""From contexts to one arm each, with its exact propensity; most rivals choose an arm and give none."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from artwork.bench.kernels.checks import check_decisions, check_moments, check_wins
from artwork.bench.kernels.data import APART, CLOSE, Log, learned, make_contexts, make_log
from artwork.bench.kernels.results import APART_TARGETS, CLOSE_TARGETS, DECISIONS, JUDGED_RATIO, Measured, Row, Setting
from artwork.bench.rivals.agreement import compare_beliefs
from artwork.bench.rivals.base import Rival
from artwork.bench.timing import Side, Work
from bandit.arrays import F64, U64
from bandit.hashing import hash_ids, hash_title, hash_users
from bandit.policies import Decisions, ThompsonSampling, decide
from bandit.posterior.linear import LinearScorer
from bandit.scores import Moments

RATIOS = (1.0, JUDGED_RATIO, 25.0, 100.0)
NO_PROPENSITY, GIVES_PROPENSITY = "gives no propensity", "gives the propensity"
_CHECKED = 16  # contexts whose choices are compared with a rival's


def measure(setting: Setting) -> Iterator[Row]:
    """Decisions per second where the arms' deviations differ by each ratio.

    Ours are moments, win probabilities, hashes, floors, weights and draws. Each side gets all contexts in one call. A
    rival's beliefs and choices are compared with ours first. Once more for arms that lie apart, where most cannot win.

    Raises:
        WrongAnswerError: our moments, win probabilities or decisions differ from independent ones.
    """
    for ratio in RATIOS:
        yield from _measure(setting, ratio)
    yield from _measure(setting, JUDGED_RATIO, APART)


def choose(scorer: LinearScorer, contexts: F64, users: U64, title: np.uint64) -> Decisions:
    """Decisions of one title for all users."""
    wins = ThompsonSampling().probabilities(scorer.scores(contexts))
    return decide(wins, hash_title(users, title))


def _measure(setting: Setting, ratio: float, weight_deviation: float = CLOSE) -> Iterator[Row]:
    log, contexts = make_log(setting.size, ratio, weight_deviation), make_contexts(setting.size)
    scorer = learned(log).scorer(np.arange(log.n_arms))
    users = hash_users("draw", 1, 1, hash_ids(f"u{row}" for row in range(len(contexts))))
    ours = partial(choose, scorer, contexts, users, hash_ids(["t1"])[0])
    scores = scorer.scores(contexts)
    wins = ThompsonSampling().probabilities(scores)
    check_moments(scores, log, contexts)
    check_wins(scores, wins, _CHECKED)
    check_decisions(wins, ours())
    side = Side(ours, len(contexts))
    case = f"deviations differ by {ratio:g} x" + (", arms apart" if weight_deviation == APART else "")
    measured = Measured(DECISIONS, case, "decisions/s", side, _about(scores, wins))
    theirs = partial(_theirs, log, contexts, scores, wins)
    targets = CLOSE_TARGETS if weight_deviation == CLOSE else APART_TARGETS
    yield from measured.beside_rivals(setting, theirs, targets if ratio == JUDGED_RATIO else {})


def _theirs(log: Log, contexts: F64, scores: Moments, wins: F64, rival: type[Rival]) -> tuple[Work, str]:
    """The rival's choices for all contexts, and how its beliefs compare with ours for the first of them."""
    sampler, few, differs = rival.learn(log), slice(_CHECKED), ""
    if rival.has_posterior:
        near = Moments(scores.means[few], scores.deviations[few])
        differs = compare_beliefs(sampler, contexts[few], near, wins[few]).sentence()
    propensity = GIVES_PROPENSITY if rival.gives_propensity else NO_PROPENSITY
    note = "; ".join(text for text in (propensity, rival.aside, differs) if text)
    return partial(sampler.choose, contexts), note


def _about(scores: Moments, wins: F64) -> str:
    """What the posterior came out like."""
    spread = np.median(scores.deviations.max(axis=1) / scores.deviations.min(axis=1))
    contenders = np.median(1 / (wins**2).sum(axis=1))
    able = (wins > 1e-3).sum(axis=1).mean()
    return (
        f"measured {spread:.1f} x; {contenders:.1f} of {wins.shape[1]} arms in contention (median of 1/Σp²),"
        f" {able:.1f} win more than 0.1 % of the time"
    )
