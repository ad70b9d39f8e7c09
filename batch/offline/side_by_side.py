"""What a log said of the policies of two variants beside what they came to live."""

from dataclasses import dataclass, replace
from typing import Final

from bandit.errors import InputError
from bandit.evaluation import Difference, Estimate, Evaluation, PolicyResult
from bandit.evaluation.live import detectable
from bandit.policies import parse_policy
from batch.offline.live_pairs import OnlinePair

AGREE: Final = "agree"
DISAGREE: Final = "disagree"
OFFLINE_OPEN: Final = "offline could not tell"
ONLINE_OPEN: Final = "online could not tell"
BOTH_OPEN: Final = "neither could tell"
REFUSED: Final = "the log could not judge"
ABSENT: Final = "not compared offline"


@dataclass(frozen=True)
class OfflinePair:
    """What a log said of both policies of a pair; ``caution`` says why its intervals are not to be believed, if they are not.

    ``before``: the log ended before either was live, so that it owes nothing to the online result. ``population`` is whom its
    intervals are about, as of ``Evaluation``.
    """

    policy: Estimate
    against: Estimate
    difference: Difference
    caution: str
    before: bool
    population: str


@dataclass(frozen=True)
class SideBySide:
    """A pair online, what was said of it offline (None where it was not compared), and whether both say the same.

    ``outcome`` is a word of this module. Online and offline can each tell where the interval of its difference is
    clear of 0. ``..._detectable`` is the smallest difference that such data would show four times in five; None where
    there is no interval.
    """

    online: OnlinePair
    offline: OfflinePair | None
    outcome: str
    online_detectable: float | None
    offline_detectable: float | None


def beside(pair: OnlinePair, evaluation: Evaluation, *, before: bool) -> SideBySide:
    """A pair beside a comparison on a log, which is looked through for the policies of both.

    Args:
        pair: what was live.
        evaluation: on a log.
        before: whether that log ended before either was live.
    """
    offline = _offline(pair, evaluation, before=before)
    return SideBySide(
        pair,
        offline,
        _outcome(pair, offline),
        detectable(pair.lower, pair.upper, pair.level),
        None if offline is None else detectable(offline.difference.lower, offline.difference.upper, evaluation.level),
    )


def _offline(pair: OnlinePair, evaluation: Evaluation, *, before: bool) -> OfflinePair | None:
    policy, against = (_result(evaluation, word) for word in pair.words)
    if policy is None or against is None or policy is against:  # variants of one policy are no two policies to a log
        return None
    word = evaluation.estimator
    cautions = [f"{result.policy}: {result.caution}" for result in (policy, against) if result.caution]
    difference = _difference(evaluation, policy.policy, against.policy)
    return OfflinePair(
        policy.estimates[word], against.estimates[word], difference, "; ".join(cautions), before, evaluation.population
    )


def _result(evaluation: Evaluation, word: str) -> PolicyResult | None:
    """What was said of a policy, however its parameters are spelt: ``epsilon_greedy`` is ``epsilon_greedy:epsilon=0.1``."""
    return next((result for result in evaluation.results if _is_same(result.policy, word)), None)


def _is_same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return parse_policy(one) == parse_policy(other)
    except InputError:  # a table, somebody's own class, or the name in the log of another workspace
        return False


def _difference(evaluation: Evaluation, policy: str, against: str) -> Difference:
    """The value of one policy minus that of another, whichever of them was named first."""
    for difference in evaluation.differences:
        names = difference.policy, difference.against
        if names == (policy, against):
            return difference
        if names == (against, policy):
            return _turned(difference)
    raise AssertionError(f"the evaluation has no difference of {policy} and {against}")


def _turned(difference: Difference) -> Difference:
    return replace(
        difference,
        policy=difference.against,
        against=difference.policy,
        value=_minus(difference.value),
        lower=_minus(difference.upper),
        upper=_minus(difference.lower),
        adjusted_lower=_minus(difference.adjusted_upper),
        adjusted_upper=_minus(difference.adjusted_lower),
        unreliable_value=_minus(difference.unreliable_value),
        sequence_lower=_minus(difference.sequence_upper),
        sequence_upper=_minus(difference.sequence_lower),
    )


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _outcome(pair: OnlinePair, offline: OfflinePair | None) -> str:
    if offline is None:
        return ABSENT
    if offline.difference.value is None:
        return REFUSED
    online_sign = _sign(pair.lower, pair.upper)
    offline_sign = 0 if offline.caution else _sign(offline.difference.lower, offline.difference.upper)
    if online_sign and offline_sign:
        return AGREE if online_sign == offline_sign else DISAGREE
    if online_sign or offline_sign:
        return OFFLINE_OPEN if online_sign else ONLINE_OPEN
    return BOTH_OPEN


def _sign(lower: float | None, upper: float | None) -> int:
    """1 or -1 where an interval is clear of 0, else 0."""
    if lower is None or upper is None or lower <= 0 <= upper:
        return 0
    return 1 if lower > 0 else -1
