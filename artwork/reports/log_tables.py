"""A comparison on a log as tables of texts, which the terminal and the page both show."""

from typing import NamedTuple

from artwork.console.tables import Sheet
from bandit.evaluation import Difference, Estimate, Evaluation, PolicyResult
from bandit.evaluation.planning import Plan, whole_days
from bandit.evaluation.results import OtherInterval
from bandit.evaluation.targets import LOGGING
from batch.offline.compare import Compared

REFUSED = "refused"
CAUTION = "caution"
FROZEN = (
    "policies are frozen at the split: nothing after it teaches them, but what --replay lets policies learn by itself"
)


def values_sheet(evaluation: Evaluation) -> Sheet:
    """Values by policy and estimator; the estimator that differences are of has its interval."""
    main, unit = evaluation.estimator, unit_of(evaluation)
    words = list(dict.fromkeys(word for result in evaluation.results for word in result.estimates))
    others = [word for word in words if word != main]
    columns = ("policy", main, f"{evaluation.level:.0%} interval", *others)
    rows = [
        (
            result.policy,
            _value(result.estimates.get(main), unit),
            _interval(result.estimates.get(main), unit),
            *(_value(result.estimates.get(word), unit) for word in others),
        )
        for result in evaluation.results
    ]
    return Sheet(columns, rows)


def overlap_sheet(evaluation: Evaluation) -> Sheet:
    """How far the log and each policy meet."""
    names = "decisions", "effective", "largest weight", "its share", "unsupported", "mean weight", "rewards", "verdict"
    columns = ("policy", *names)
    return Sheet(columns, [_overlap(result) for result in evaluation.results if result.overlap is not None])


def differences_sheet(evaluation: Evaluation) -> Sheet:
    """Each policy minus each before it, and in relation to its value; of refused ones only the lead over the first."""
    columns = ("policy", "minus", evaluation.estimator, f"{evaluation.level:.0%} interval", "for all together", "")
    first = evaluation.results[0].policy
    shown = [
        difference
        for difference in evaluation.differences
        if difference.value is not None or difference.against == first
    ]
    values = {
        result.policy: estimate.value
        for result in evaluation.results
        if (estimate := result.estimates.get(evaluation.estimator)) is not None
    }
    rows = [_difference(lead, values.get(lead.against), unit_of(evaluation)) for lead in shown]
    return Sheet(columns, rows)


def others_sheet(evaluation: Evaluation) -> Sheet:
    """Unbiased estimates with other intervals than the usual one."""
    unit = unit_of(evaluation)
    rows = [
        (
            result.policy,
            other.estimator,
            other.quantity,
            other.kind,
            unit.text(other.value),
            unit.span(other.lower, other.upper),
            _bound(other),
        )
        for result in evaluation.results
        for other in result.others
    ]
    columns = (
        "policy",
        "estimator",
        "of its",
        "interval",
        "value",
        f"{evaluation.level:.0%}",
        "largest weight possible",
    )
    return Sheet(columns, rows)


def _bound(other: OtherInterval) -> str:
    if other.weight_bound is None:
        return "-"
    return f"{other.weight_bound:,.4g}" if other.is_bound_known else f"{other.weight_bound:,.4g}, a guess"


def plans_sheet(made: Compared) -> Sheet:
    """What the log, and more data, can tell."""
    columns = ("policy", "smallest lead to be found", "of the log's value", "days of explore data")
    unit = unit_of(made.evaluation)
    cautious = {result.policy for result in made.evaluation.results if result.is_reliable and result.caution}
    rows = [
        (
            plan.policy,
            _detectable(plan.detectable, unit) + (f", {CAUTION}" if plan.policy in cautious else ""),
            f"{plan.detectable_share:.0%}" if plan.detectable and plan.detectable_share is not None else "-",
            _days(plan, unit),
        )
        for plan in made.plans
    ]
    return Sheet(columns, rows)


def replay_sheet(made: Compared) -> Sheet:
    """Policies that learned as they went."""
    unit = unit_of(made.evaluation)
    columns = ("policy that learns", "kept of the log", "updates", "value", f"{made.evaluation.level:.0%} interval")
    rows = [
        (
            replayed.policy,
            f"{replayed.kept:,} of {replayed.offered:,}",
            f"{len(replayed.kept_by_batch):,}",
            unit.text(replayed.value),
            unit.span(replayed.lower, replayed.upper),
        )
        for replayed in made.replayed
    ]
    return Sheet(columns, rows)


def head_lines(made: Compared) -> list[str]:
    """What was compared on what."""
    evaluation = made.evaluation
    days = "" if made.days is None else f", {made.days:.1f} days"
    learned = (
        f"policies learned from the first {made.learned_from:,} impressions and are judged by the {made.judged_by:,} after them"
        if made.learned_from
        else f"judged by all {made.judged_by:,} impressions; no policy had to learn"
    )
    cut = f"cut at {made.split_at}: with --split-at {made.split_at} the log judges the same policies once it has grown"
    models = f"posterior {made.posterior}, reward model {made.reward_model}, floor {made.floor:g}"
    return [
        f"{made.log}{days}",
        f"{learned} ({evaluation.decisions:,} decisions{_population(evaluation)})",
        *([FROZEN] if made.learned_from else []),
        *([] if made.split_at is None else [cut]),
        f"{models}, {evaluation.resamples:,} resamples, seed {made.seed}",
        *made.notes,
        *evaluation.notes,
    ]


def _population(evaluation: Evaluation) -> str:
    if evaluation.users is None:
        return ""
    return f" of {evaluation.users:,} users; intervals are for users like them"


def tuned_lines(evaluation: Evaluation) -> list[str]:
    """Settings that the data chose, and estimators that could not be used."""
    tuned = [
        f"{result.policy}: SLOPE chose {', '.join(f'{word} {value:.4g}' for word, value in result.tuned.items())}"
        for result in evaluation.results
        if result.tuned and result.is_reliable and result.policy != LOGGING
    ]
    unusable = dict.fromkeys(
        f"no {word}: {why}" for result in evaluation.results for word, why in result.unusable.items()
    )
    return [*tuned, *unusable]


def refusal_lines(evaluation: Evaluation) -> list[str]:
    """Why policies are refused, and why intervals of others are not to be believed."""
    refused = [f"{result.policy}: {result.verdict}" for result in evaluation.results if not result.is_reliable]
    told = {result.policy: result.caution for result in evaluation.results if result.is_reliable and result.caution}
    cautions = [f"{policy}: {caution}" for policy, caution in told.items()]
    of_differences = [
        f"{lead.policy} minus {lead.against}: {lead.caution}"
        for lead in evaluation.differences
        if lead.caution and not {lead.policy, lead.against} & told.keys()
    ]
    return [*refused, *cautions, *of_differences]


def verdict_line(evaluation: Evaluation) -> str:
    """The ranking as far as the log tells it, in one sentence."""
    leads = [lead for lead in evaluation.differences if lead.against == evaluation.results[0].policy]
    refused = [result.policy for result in evaluation.results if not result.is_reliable]
    cautious = [result.policy for result in evaluation.results if result.is_reliable and result.caution]
    cautious += [lead.policy for lead in leads if lead.caution and lead.policy not in {*refused, *cautious}]
    ranked = [lead for lead in leads if lead.policy not in {*refused, *cautious}]
    better = [lead.policy for lead in ranked if lead.adjusted_lower is not None and lead.adjusted_lower > 0]
    worse = [lead.policy for lead in ranked if lead.adjusted_upper is not None and lead.adjusted_upper < 0]
    open_ = [lead.policy for lead in ranked if lead.policy not in {*better, *worse}]
    parts = (
        (better, "would have done better than what was logged"),
        (worse, "would have done worse"),
        (open_, "cannot be told from what was logged"),
        (cautious, "not ranked: see the cautions"),
        (refused, "cannot be judged by this log"),
    )
    return "; ".join(f"{', '.join(names)} {what}" for names, what in parts if names) or "nothing was compared"


class Unit(NamedTuple):
    """How rewards are shown: times ``factor``, with a sign behind; ``word`` names it beside an axis.

    A difference of two shares is in percentage points: ``points`` stands behind it, ``difference`` names it beside an axis.
    """

    factor: float
    sign: str
    word: str
    points: str
    difference: str

    def text(self, value: float | None) -> str:
        """A value."""
        return "-" if value is None else self._number(value) + self.sign

    def span(self, lower: float | None, upper: float | None) -> str:
        """An interval of values."""
        return "-" if lower is None or upper is None else f"{self.text(lower)} to {self.text(upper)}"

    def lead(self, value: float | None, against: float | None = None) -> str:
        """A difference; relative to the value that it is a difference from, too, where that is known and not 0."""
        if value is None:
            return "-"
        relative = f" ({value / against:+.1%})" if against is not None and against > 0 else ""
        return self._number(value, "+") + self.points + relative

    def lead_span(self, lower: float | None, upper: float | None) -> str:
        """An interval of differences, to stand beside the lead that names the unit."""
        return "-" if lower is None or upper is None else f"{self._number(lower, '+')} to {self._number(upper, '+')}"

    def size(self, value: float) -> str:
        """How large a difference is, whatever its sign."""
        return self._number(value) + self.points

    def _number(self, value: float, sign: str = "") -> str:
        return f"{self.factor * value:{sign}.3f}" if self.sign else f"{self.factor * value:{sign},.5g}"


SHARES = Unit(100, "%", "percent", " points", "percentage points")
PLAIN = Unit(1, "", "reward", "", "reward")


def unit_of(evaluation: Evaluation) -> Unit:
    """Percent of rewards in [0, 1], else rewards as they are."""
    return SHARES if evaluation.are_shares else PLAIN


def _value(estimate: Estimate | None, unit: Unit) -> str:
    if estimate is None:
        return "-"
    return REFUSED if estimate.value is None else unit.text(estimate.value)


def _interval(estimate: Estimate | None, unit: Unit) -> str:
    return "-" if estimate is None else unit.span(estimate.lower, estimate.upper)


def _overlap(result: PolicyResult) -> tuple[str, ...]:
    overlap = result.overlap
    assert overlap is not None  # noqa: S101 - the caller looked
    return (
        result.policy,
        f"{overlap.decisions:,}",
        f"{overlap.effective_sample_size:,.0f}",
        f"{overlap.max_weight:,.1f}",
        f"{overlap.largest_share:.1%}",
        f"{overlap.unsupported:.1%}",
        f"{overlap.mean_weight:.3f} ± {overlap.mean_weight_error:.3f}",
        f"{overlap.effective_rewards:,.0f}",
        _verdict(result),
    )


def _days(plan: Plan, unit: Unit) -> str:
    """Days, and of which rows: a comparison of the grown log judges by all of them, old and new, and so do these."""
    if plan.difference is None or plan.explore_share is None:
        return "-"
    lead = f"for a lead of {unit.size(plan.difference)}"
    if plan.detectable is not None and plan.detectable <= plan.difference:
        return f"none {lead}: this log shows it"
    share, alone = f"at {plan.explore_share:.1%}", ""
    if plan.days_alone is not None:
        alone = f"; {whole_days(plan.days_alone):,} if the rows of the explore users are judged alone, against the other new ones"
    if plan.days is None:
        return f"never {share} {lead} by all rows, old and new{alone}" if alone else "-"
    return f"{whole_days(plan.days):,} {share} {lead} by all rows, old and new{alone}"


def _detectable(lead: float | None, unit: Unit) -> str:
    if lead is None:
        return REFUSED
    return unit.size(lead) if lead else "none: it chose as the log did"


def _difference(difference: Difference, against: float | None, unit: Unit) -> tuple[str, ...]:
    if difference.value is None:
        return (difference.policy, difference.against, REFUSED, "-", "-", "")
    lower, upper = difference.adjusted_lower or 0.0, difference.adjusted_upper or 0.0
    outcome = CAUTION if difference.caution else _beyond(lower, upper)
    return (
        difference.policy,
        difference.against,
        unit.lead(difference.value, against),
        unit.lead_span(difference.lower, difference.upper),
        unit.lead_span(lower, upper),
        outcome,
    )


def _verdict(result: PolicyResult) -> str:
    if not result.is_reliable:
        return REFUSED
    return CAUTION if result.caution else "ok"


def _beyond(lower: float, upper: float) -> str:
    if lower > 0:
        return "better"
    return "worse" if upper < 0 else "not told apart"
