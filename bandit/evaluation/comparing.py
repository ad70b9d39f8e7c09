"""Several target policies by several estimators on one log: values, differences, and what the log cannot tell."""

from collections import abc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from bandit.arrays import ordered_array
from bandit.errors import InputError
from bandit.evaluation.differences import Judged, differences
from bandit.evaluation.estimate import bias_caution, bound_of, check_uniform, check_works, told, value_range
from bandit.evaluation.estimators import Estimator, Terms, parse_estimator
from bandit.evaluation.intervals.batches import stabilised
from bandit.evaluation.intervals.bernstein import bernstein_interval
from bandit.evaluation.intervals.bootstrap import percentile_interval, resample
from bandit.evaluation.intervals.normal import Interval, normal_interval, standard_error
from bandit.evaluation.intervals.sequence import Sequence, confidence_sequence, decision_values
from bandit.evaluation.overlap import Overlap, overlap_of, verdict_without
from bandit.evaluation.results import (
    SEQUENCE_ESTIMATOR,
    Curve,
    Difference,
    Evaluation,
    OtherInterval,
    PolicyResult,
    Settings,
)
from bandit.evaluation.sample import F64, I64, Sample
from bandit.evaluation.targets import LOGGING
from bandit.evaluation.tuning import resolved
from bandit.posterior.checks import integer_column

Names = abc.Sequence[str]

PERCENTS: Final = (1, 5, 25, 50, 75, 95, 99, 99.9, 100)
"""Of the weights that are shown."""


class _Used(NamedTuple):
    """An estimator with its setting, and its terms."""

    estimator: Estimator
    terms: Terms


@dataclass(frozen=True, eq=False)
class _Policy:
    """A policy's sample, how the log and it meet, and the estimators that work on it, by their words.

    ``caution`` is that of log and policy, whatever the estimator.
    """

    name: str
    sample: Sample
    overlap: Overlap | None
    verdict: str
    caution: str
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
        samples: of the same impressions, by policy, in the order in which they are shown; ``logging`` first if it is one of them.
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
    pairs = [(policy.name, word) for policy in policies for word in policy.used]
    terms = [used.terms for policy in policies for used in policy.used.values()]
    drawn = resample(policies[0].sample, terms, settings.resamples, settings.seed)
    columns = dict(zip(pairs, drawn.T, strict=True))
    judged = [
        Judged(each.name, each.used[main].terms.value, columns[each.name, main], each.verdict) for each in policies
    ]
    found, reach = differences(judged, main, settings.level)
    return Evaluation(
        n=len(policies[0].sample),
        decisions=policies[0].sample.n_clusters,
        level=settings.level,
        resamples=settings.resamples,
        estimator=main,
        reach=reach,
        results=[_result(each, columns, settings, batches, main) for each in policies],
        differences=_with_sequences(_with_cautions(found, policies, main), policies, settings),
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
    overlap = None if sample.propensities is None else overlap_of(sample, settings.thresholds)
    thresholds = settings.thresholds
    verdict = verdict_without(sample, thresholds) if overlap is None else overlap.verdict(thresholds, arm_names)
    caution = "" if overlap is None else overlap.caution(thresholds, arm_names)
    return _Policy(name, sample, overlap, verdict, caution, used, unusable)


def _main(policies: list[_Policy], wanted: list[Estimator]) -> str:
    for estimator in wanted:
        if all(estimator.word in policy.used for policy in policies):
            return estimator.word
    reasons = "; ".join(dict.fromkeys(why for policy in policies for why in policy.unusable.values()))
    raise InputError(f"none of the estimators {', '.join(each.word for each in wanted)} works on this log: {reasons}")


def _caution(policy: _Policy, word: str) -> str:
    """Why a value or its interval is not to be believed though the policy is not refused; empty if they are."""
    bias = "" if policy.name == LOGGING else bias_caution(policy.used[word].estimator, word, policy.overlap)
    return "; ".join(filter(None, (policy.caution, bias)))


def _result(
    policy: _Policy, columns: Mapping[tuple[str, str], F64], settings: Settings, batches: I64 | None, main: str
) -> PolicyResult:
    overlap, sample = policy.overlap, policy.sample
    estimates = {
        word: told(
            used.terms.value,
            percentile_interval(columns[policy.name, word], settings.level),
            settings.level,
            len(sample),
            overlap,
            policy.verdict,
            _caution(policy, word),
        )
        for word, used in policy.used.items()
    }
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
        caution=_caution(policy, main),
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
    sample, level = policy.sample, settings.level
    bound = bound_of(sample, _bound(policy, settings))
    values = decision_values(sample, sample.weighted_rewards)
    found = confidence_sequence(values, 0.0, max(bound, 1.0), level)
    others.append(
        OtherInterval(
            SEQUENCE_ESTIMATOR,
            "sequence",
            float(values.mean()),
            float(found.lower[-1]),
            min(float(found.upper[-1]), 1.0),
        )
    )
    more = replace(result, others=others, value_curve=_curve(found))
    if is_logging:
        return more
    return replace(more, lead_curve=_curve(_lead(policy.sample, None, bound, 1.0, level)))


def _with_cautions(found: list[Difference], policies: list[_Policy], main: str) -> list[Difference]:
    """The same differences, with the cautions of both policies."""
    cautions = {policy.name: _caution(policy, main) for policy in policies}
    both = ((each, dict.fromkeys((cautions[each.policy], cautions[each.against]))) for each in found)
    return [replace(each, caution="" if each.value is None else "; ".join(filter(None, of))) for each, of in both]


def _with_sequences(found: list[Difference], policies: list[_Policy], settings: Settings) -> list[Difference]:
    """The same differences, with the end of a confidence sequence each."""
    by_name = {policy.name: policy for policy in policies if policy.overlap is not None}
    told = []
    for each in found:
        if each.value is None or each.policy not in by_name or each.against not in by_name:
            told.append(each)
            continue
        policy, against = by_name[each.policy], by_name[each.against]
        bound, other_bound = (bound_of(one.sample, _bound(one, settings)) for one in (policy, against))
        other = None if against.name == LOGGING else against.sample
        sequence = _lead(policy.sample, other, bound, other_bound, settings.level)
        told.append(replace(each, sequence_lower=float(sequence.lower[-1]), sequence_upper=float(sequence.upper[-1])))
    return told


def _lead(sample: Sample, other: Sample | None, bound: float, other_bound: float, level: float) -> Sequence:
    """The sequence of the value of one policy less that of another, None for the logging one: (w - w') r by decision.

    It is at least minus the other's largest weight, and at least -1 over the logging policy, so that the lower end of a lead
    over what is live does not pay for large weights.
    """
    rewards = sample.rewards if other is None else other.weighted_rewards
    leads = decision_values(sample, sample.weighted_rewards - rewards)
    return confidence_sequence(leads, -max(other_bound, 1.0), max(bound, 1.0), level)


def _others(word: str, used: _Used, policy: _Policy, settings: Settings, batches: I64 | None) -> list[OtherInterval]:
    value, level, terms, sample = used.terms.value, settings.level, used.terms, policy.sample
    kinds: dict[str, tuple[float, Interval]] = {
        "normal": (value, normal_interval(value, standard_error(sample, terms), level)),
        "bernstein": (
            value,
            bernstein_interval(sample, terms, value_range(used.estimator, sample, _bound(policy, settings)), level),
        ),
    }
    told = [OtherInterval(word, kind, at, *interval) for kind, (at, interval) in kinds.items()]
    if batches is None or len(np.unique(batches)) == 1:
        return told
    by_batch = stabilised(sample, terms, batches, level)
    told.append(OtherInterval(word, "batches", by_batch.value, *by_batch.interval))
    if policy.name != LOGGING:
        lead = stabilised(sample, Terms(numerator=terms.per_decision - sample.rewards), batches, level)
        told.append(OtherInterval(word, "batches", lead.value, *lead.interval, quantity="lead"))
    return told


def _bound(policy: _Policy, settings: Settings) -> float | None:
    """The largest weight that was possible: those of the logging policy itself are 1."""
    return 1.0 if policy.name == LOGGING else settings.weight_bound


def _curve(found: Sequence) -> Curve:
    return Curve(found.decisions.tolist(), found.lower.tolist(), found.upper.tolist())
