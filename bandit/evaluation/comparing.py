"""Several target policies by several estimators on one log: values, differences, and what the log cannot tell."""

from collections import abc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from bandit.arrays import F64, I64, ordered_array
from bandit.checks import integer_column
from bandit.errors import InputError
from bandit.evaluation.differences import Judged, differences
from bandit.evaluation.estimate import (
    Estimate,
    bias_caution,
    bound_of,
    check_uniform,
    check_works,
    fragility_of,
    make_estimate,
    usual_interval,
    value_range,
)
from bandit.evaluation.estimators import Estimator, Terms, parse_estimator
from bandit.evaluation.intervals.batches import stabilised
from bandit.evaluation.intervals.bernstein import bernstein_interval
from bandit.evaluation.intervals.normal import normal_interval, standard_error
from bandit.evaluation.intervals.sequence import Sequence, confidence_sequence, decision_values
from bandit.evaluation.overlap import Overlap, overlap_of, verdict_without
from bandit.evaluation.results import (
    LOG,
    SEQUENCE_ESTIMATOR,
    USERS,
    Curve,
    Difference,
    Evaluation,
    OtherInterval,
    PolicyResult,
    Settings,
)
from bandit.evaluation.sample import Sample
from bandit.evaluation.targets import LOGGING
from bandit.evaluation.tuning import resolved

Names = abc.Sequence[str]

PERCENTS: Final = (1, 5, 25, 50, 75, 95, 99, 99.9, 100)
"""Of the weights that are shown."""


class _Used(NamedTuple):
    """An estimator with its setting, and its terms."""

    estimator: Estimator
    terms: Terms


class _Bound(NamedTuple):
    """The largest weight that was possible: known, or as far as the log shows it."""

    weight: float
    is_known: bool


@dataclass(frozen=True, eq=False)
class _Policy:
    """A policy's sample, how the log and it meet, and the estimators that work on it, by their words.

    ``caution`` is that of log and policy, whatever the estimator. ``bound`` is the largest weight that was possible.
    """

    name: str
    sample: Sample
    overlap: Overlap | None
    verdict: str
    caution: str
    bound: "_Bound | None"
    used: dict[str, _Used]
    unusable: dict[str, str]


def evaluate(
    samples: Mapping[str, Sample],
    settings: Settings,
    choices: I64,
    batches: I64 | None = None,
    arm_names: Names = (),
) -> Evaluation:
    """Compare policies by what a log says of each.

    Args:
        samples: of the same impressions, by policy, in the order in which they are shown; ``logging`` first if it is one of
        them.
        settings: how.
        choices: arms that each decision could choose from, (m,).
        batches: which update of the logging policy chose, (m,); None where there was one.
        arm_names: (A,), for verdicts; without, arms go by their numbers.

    Raises:
        InputError: an estimator is not known, or none works on this log.
    """
    count = len(next(iter(samples.values()), ()))
    choices = integer_column("choices", choices, count)
    batches = None if batches is None else ordered_array("batches", batches, count)
    wanted = [parse_estimator(word) for word in settings.estimators]
    policies = [_policy(name, sample, wanted, settings, choices, arm_names) for name, sample in samples.items()]
    main = _main(policies, wanted)
    judged = [
        Judged(each.name, each.sample, each.used[main].terms, each.verdict, _estimate(each, main, settings).caution)
        for each in policies
    ]
    found, reach = differences(judged, main, settings)
    first = policies[0].sample
    return Evaluation(
        n=len(first),
        decisions=first.n_clusters,
        level=settings.level,
        resamples=settings.resamples,
        estimator=main,
        reach=reach,
        results=[_result(each, settings, batches, main) for each in policies],
        differences=_with_sequences(found, policies, settings),
        users=None if first.users is None else first.n_units,
        population=USERS if first.users is not None else LOG,
        are_shares=first.reward_range == (0.0, 1.0),
        notes=tuple(_notes(first, policies, settings)),
    )


def _policy(
    name: str, sample: Sample, wanted: Iterable[Estimator], settings: Settings, choices: I64, arm_names: Names
) -> _Policy:
    used: dict[str, _Used] = {}
    unusable: dict[str, str] = {}
    for estimator in wanted:
        try:
            check_works(estimator, sample)
            if estimator.name == "replay" and sample.propensities is not None:
                check_uniform(sample, choices)
        except InputError as error:
            unusable[estimator.word] = str(error)
        else:
            earned = _Used(estimator, Terms(numerator=sample.rewards))  # what it is worth is known, and not estimated
            used[estimator.word] = earned if name == LOGGING else _Used(*resolved(estimator, sample))
    thresholds = settings.thresholds
    bound = None if sample.propensities is None else _bound(name, sample, settings)
    known = bound.weight if bound is not None and bound.is_known else 0.0
    overlap = None if sample.propensities is None else overlap_of(sample, thresholds, known)
    verdict = verdict_without(sample, thresholds) if overlap is None else overlap.verdict(thresholds, arm_names)
    caution = "" if overlap is None else overlap.caution(thresholds, arm_names)
    return _Policy(name, sample, overlap, verdict, caution, bound, used, unusable)


def _bound(name: str, sample: Sample, settings: Settings) -> _Bound:
    """The bound as stated, or from the smallest propensity that is known, or as the log shows it; 1 of the logging policy."""
    if name == LOGGING:
        return _Bound(1.0, is_known=True)
    if settings.weight_bound is not None:
        return _Bound(bound_of(sample, settings.weight_bound), is_known=True)
    if settings.least_propensity is None:
        return _Bound(bound_of(sample, None), is_known=False)
    assert sample.propensities is not None  # noqa: S101 - the caller looked
    if settings.least_propensity > (smallest := float(sample.propensities.min())) * (1 + 1e-9):
        raise InputError(
            f"least_propensity is {settings.least_propensity:g} and the log has {smallest:g}; correct one of them"
        )
    return _Bound(max(sample.largest_probability / settings.least_propensity, sample.possible_weight), is_known=True)


def _notes(sample: Sample, policies: list[_Policy], settings: Settings) -> abc.Iterator[str]:
    """What holds for all of the comparison: whom intervals are about, and what some of them rest on."""
    if sample.users is None and settings.population == USERS:
        yield (
            "caution: no user is known, so that intervals take decisions for independent; where users come back they are too"
            " narrow"
        )
    if sample.propensities is None:
        return
    if sample.reward_range is None:
        yield (
            f"rewards are from {sample.rewards.min():g} to {sample.rewards.max():g}: Bernstein intervals and confidence"
            " sequences need to know the smallest and the largest possible one"
        )
        return
    yield (
        "confidence sequences cover the mean over the decisions of this log so far, for its own users, each decision by its"
        " first impression"
    )
    if any(policy.bound is not None and not policy.bound.is_known for policy in policies):
        yield (
            "the largest weight that Bernstein intervals and sequences rest on is a guess, read off this log; nobody is called"
            " better by them alone"
        )


def _main(policies: list[_Policy], wanted: list[Estimator]) -> str:
    for estimator in wanted:
        if all(estimator.word in policy.used for policy in policies):
            return estimator.word
    reasons = "; ".join(dict.fromkeys(why for policy in policies for why in policy.unusable.values()))
    raise InputError(f"none of the estimators {', '.join(each.word for each in wanted)} works on this log: {reasons}")


def _estimate(policy: _Policy, word: str, settings: Settings) -> Estimate:
    """What an estimator says of a policy, with why its interval is not to be believed, if it is not."""
    terms, sample = policy.used[word].terms, policy.sample
    interval = usual_interval(sample, terms, settings.level)
    told = [policy.caution]
    if policy.name != LOGGING:
        known = policy.bound.weight if policy.bound is not None and policy.bound.is_known else 0.0
        told.append(bias_caution(policy.used[word].estimator, word, policy.overlap))
        told.append(fragility_of(sample, terms, interval, settings.thresholds, known))
    caution = "; ".join(filter(None, told))
    return make_estimate(terms.value, interval, settings.level, sample, policy.overlap, policy.verdict, caution)


def _result(policy: _Policy, settings: Settings, batches: I64 | None, main: str) -> PolicyResult:
    overlap, sample = policy.overlap, policy.sample
    estimates = {word: _estimate(policy, word, settings) for word in policy.used}
    tuned = {
        word: used.estimator.setting
        for word, used in policy.used.items()
        if used.estimator.setting is not None and used.estimator != parse_estimator(word)
    }
    quantiles = [] if overlap is None else np.percentile(sample.weights, PERCENTS).tolist()
    result = PolicyResult(
        policy=policy.name,
        verdict=policy.verdict,
        overlap=overlap,
        estimates=estimates,
        tuned=tuned,
        unusable=policy.unusable,
        others=[],
        weights={f"{percent:g}": value for percent, value in zip(PERCENTS, quantiles, strict=False)},
        caution=estimates[main].caution if main in estimates else policy.caution,
    )
    if overlap is None or not result.is_reliable:
        return result
    return _with_more(result, policy, settings, batches)


def _with_more(result: PolicyResult, policy: _Policy, settings: Settings, batches: I64 | None) -> PolicyResult:
    """Other intervals of what is unbiased, and confidence sequences of the value and of the lead over the logging policy."""
    is_logging = policy.name == LOGGING
    others = [
        interval
        for word, used in policy.used.items()
        if used.estimator.is_unbiased
        and used.estimator.is_unclipped
        and not (is_logging and used.estimator.needs_model)
        for interval in _others(word, used, policy, settings, batches)
    ]
    sample, level, bound = policy.sample, settings.level, policy.bound
    if sample.reward_range is None or bound is None:
        return replace(result, others=others)
    values = decision_values(sample, sample.weights * _shares_of_range(sample))
    found = confidence_sequence(values, 0.0, max(bound.weight, 1.0), level)
    low, span = _range_of(sample)
    in_rewards = Sequence(found.decisions, low + span * found.lower, low + span * found.upper)
    others.append(
        OtherInterval(
            SEQUENCE_ESTIMATOR,
            "sequence",
            low + span * float(values.mean()),
            float(in_rewards.lower[-1]),
            min(float(in_rewards.upper[-1]), sample.reward_range[1]),
            weight_bound=bound.weight,
            is_bound_known=bound.is_known,
        )
    )
    more = replace(result, others=others, value_curve=_curve(in_rewards))
    if is_logging:
        return more
    return replace(more, lead_curve=_curve(_lead(sample, None, bound.weight, 1.0, level)))


def _shares_of_range(sample: Sample) -> F64:
    """Rewards as shares of what they can be, in [0, 1], (m,)."""
    low, span = _range_of(sample)
    return np.asarray((sample.rewards - low) / span)


def _range_of(sample: Sample) -> tuple[float, float]:
    """The smallest possible reward, and how far the largest is above it."""
    assert sample.reward_range is not None  # noqa: S101 - the caller looked
    low, high = sample.reward_range
    return low, high - low


def _with_sequences(found: list[Difference], policies: list[_Policy], settings: Settings) -> list[Difference]:
    """The same differences, with the end of a confidence sequence each."""
    by_name = {policy.name: policy for policy in policies if policy.overlap is not None}
    told = []
    for each in found:
        if each.value is None or each.policy not in by_name or each.against not in by_name:
            told.append(each)
            continue
        policy, against = by_name[each.policy], by_name[each.against]
        if policy.bound is None or against.bound is None or policy.sample.reward_range is None:
            told.append(each)
            continue
        other = None if against.name == LOGGING else against.sample
        sequence = _lead(policy.sample, other, policy.bound.weight, against.bound.weight, settings.level)
        told.append(replace(each, sequence_lower=float(sequence.lower[-1]), sequence_upper=float(sequence.upper[-1])))
    return told


def _lead(sample: Sample, other: Sample | None, bound: float, other_bound: float, level: float) -> Sequence:
    """The sequence of the value of one policy minus that of another, None for the logging one: (w - w') r by decision.

    It is at least minus the other's largest weight, and at least -1 over the logging policy, so that the lower end of a lead
    over what is live does not pay for large weights.
    """
    _, span = _range_of(sample)
    others = np.ones(len(sample)) if other is None else other.weights
    leads = decision_values(sample, (sample.weights - others) * _shares_of_range(sample))
    found = confidence_sequence(leads, -max(other_bound, 1.0), max(bound, 1.0), level)
    return Sequence(found.decisions, span * found.lower, span * found.upper)


def _others(word: str, used: _Used, policy: _Policy, settings: Settings, batches: I64 | None) -> list[OtherInterval]:
    value, level, terms, sample = used.terms.value, settings.level, used.terms, policy.sample
    told = [OtherInterval(word, "normal", value, *normal_interval(value, standard_error(sample, terms), level))]
    if sample.reward_range is not None and policy.bound is not None:
        weight, is_known = policy.bound
        interval = bernstein_interval(sample, terms, value_range(used.estimator, sample, weight), level)
        told.append(OtherInterval(word, "bernstein", value, *interval, weight_bound=weight, is_bound_known=is_known))
    if batches is None or len(np.unique(batches)) == 1:
        return told
    by_batch = stabilised(sample, terms, batches, level)
    told.append(OtherInterval(word, "batches", by_batch.value, *by_batch.interval))
    if policy.name != LOGGING:
        lead = stabilised(sample, Terms(numerator=terms.per_decision - sample.rewards), batches, level)
        told.append(OtherInterval(word, "batches", lead.value, *lead.interval, quantity="lead"))
    return told


def _curve(found: Sequence) -> Curve:
    return Curve(found.decisions.tolist(), found.lower.tolist(), found.upper.tolist())
