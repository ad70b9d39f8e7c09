"""A comparison on a log as text, and as one page that works offline."""

from collections.abc import Sequence
from typing import Final

from artwork.console.tables import Sheet, printed
from artwork.reports.live_tables import online_lines, online_sheet
from artwork.reports.log_tables import (
    REFUSED,
    differences_sheet,
    head_lines,
    others_sheet,
    overlap_sheet,
    plans_sheet,
    refusal_lines,
    replay_sheet,
    tuned_lines,
    unit_of,
    values_sheet,
    verdict_line,
)
from artwork.reports.pages import comparison, listing, table
from artwork.reports.svg import Axis, Chart, Rule, Series, chart_html
from bandit.evaluation import Difference, Evaluation
from bandit.evaluation.results import Curve
from batch.offline.compare import Compared
from batch.offline.live_pairs import OnlinePair
from batch.offline.side_by_side import SideBySide

_TEXTS: Final = ("policy", "minus", "verdict", "estimator", "interval", "", "policy that learns", "live side by side")
_DECADES, _SCALED_TO = 100, 5  # of the sequences the last two decades are shown, as high as their last fifth
_NOT_TO_TRUST: Final = """
Where a policy is refused there is no answer, and no ranking that includes it. Gather explore data (--plan says how many days), or
judge a policy that is nearer to the one that was logged.

Every interval takes the propensities as right. The checks of the mean weight and of each arm find gross errors, not small ones.

Values are of the time, the users and the artworks of the log. A policy is judged with the posterior that it had at the cut;
live, it would go on learning, and what it shows would change what is learned.

Intervals are for policies that were chosen before anybody looked. The adjusted ones allow for all policies of this page,
not for those of other pages. The confidence sequences alone may be looked at every day.

dm has the bias of its reward model, and its interval does not know of it. What SLOPE chose, intervals take as given.

If the logging policy kept learning, its decisions depend on each other from one update to the next: see the intervals by batches.
""".strip().split("\n\n")


def render(made: Compared) -> str:
    """What was compared, values, overlap, differences, what the log cannot tell, and what was live."""
    evaluation = made.evaluation
    sheets = [values_sheet(evaluation), overlap_sheet(evaluation), differences_sheet(evaluation)]
    sheets += [replay_sheet(made)] if made.replayed else []
    sheets += [plans_sheet(made)] if made.plans else []
    online = [printed(online_sheet(made.online)), *online_lines(made.online)] if made.online else []
    return "\n".join(
        (
            *head_lines(made),
            *(printed(sheet) for sheet in sheets if sheet.rows),
            *tuned_lines(evaluation),
            *refusal_lines(evaluation),
            verdict_line(evaluation),
            *online,
            f"took {made.seconds:.1f} s",
        )
    )


def rendered(made: Compared, again: str) -> str:
    """The whole page; ``again`` is the command that makes the same."""
    evaluation = made.evaluation
    refusals = refusal_lines(evaluation)
    sections = [
        ("Values", _forest(evaluation) + _table(values_sheet(evaluation))),
        ("Differences", _leads(evaluation) + _table(differences_sheet(evaluation))),
        ("Overlap of log and policy", _overlap(evaluation) + _table(overlap_sheet(evaluation)) + listing(refusals)),
        ("At all times at once", _sequences(evaluation)),
        ("Other intervals", _table(others_sheet(evaluation))),
        ("Offline beside online", _online(made.online) if made.online else ""),
        ("Learning by replay", _replay(made) + _table(replay_sheet(made)) if made.replayed else ""),
        ("What more data would tell", _table(plans_sheet(made)) if made.plans else ""),
        ("When not to trust this", listing(_NOT_TO_TRUST)),
        ("What was run", listing([*head_lines(made), *tuned_lines(evaluation)])),
    ]
    return comparison("Policies, compared offline", verdict_line(evaluation), sections, again, missed=bool(refusals))


def _table(sheet: Sheet) -> str:
    return table(sheet.columns, sheet.rows, _TEXTS, missed={REFUSED}) if sheet.rows else ""


def _forest(evaluation: Evaluation) -> str:
    """Values with intervals, a colour per estimator; refused policies have a line of their own without a point."""
    unit = unit_of(evaluation)
    words = list(dict.fromkeys(word for result in evaluation.results for word in result.estimates))
    series = []
    for place, word in enumerate(words):
        shift = 0.7 * ((place + 0.5) / len(words) - 0.5)
        marks, policies = [], []
        for row, result in enumerate(evaluation.results):
            estimate = result.estimates.get(word)
            if estimate is not None and estimate.value is not None and estimate.lower is not None:
                marks.append((row + shift, estimate.value, estimate.lower, estimate.upper or 0.0))
                policies.append(result.policy)
        series.append(_intervals(word, marks, unit.factor, place, policies))
    labels = [result.policy if result.is_reliable else f"{result.policy} (refused)" for result in evaluation.results]
    x = Axis(f"reward per impression, {unit.word}; {evaluation.level:.0%} intervals, each by itself")
    height = max(260, 90 * len(labels) + 80)
    return chart_html(Chart("Values of policies", series, x, Axis("policy", labels), height=height, is_reversed=True))


def _intervals(
    name: str, marks: Sequence[tuple[float, float, float, float]], factor: float, tone: int, texts: Sequence[str] = ()
) -> Series:
    """Points with a whisker to both ends of their interval: place, value, lower and upper end each, times a factor."""
    values = [factor * value for _, value, _, _ in marks]
    ends = [(factor * lower, factor * upper) for _, _, lower, upper in marks]
    told = [f"{text}: {value:.4g}" for text, value in zip(texts, values, strict=True)] if texts else ()
    return Series(name, values, [place for place, _, _, _ in marks], tone, "points", x_ends=ends, texts=told)


def _leads(evaluation: Evaluation) -> str:
    """Leads over the logging policy with their adjusted intervals."""
    first, unit = evaluation.results[0].policy, unit_of(evaluation)
    leads = [lead for lead in evaluation.differences if lead.against == first and lead.value is not None]
    marks = [
        (float(row), lead.value or 0.0, lead.adjusted_lower or 0.0, lead.adjusted_upper or 0.0)
        for row, lead in enumerate(leads)
    ]
    policies = [lead.policy for lead in leads]
    title = f"lead over {first} by {evaluation.estimator}, {unit.difference}; {evaluation.level:.0%} for all differences together"
    series = [_intervals("", marks, unit.factor, 1, policies)]
    return chart_html(
        Chart(
            "Leads over the logging policy",
            series,
            Axis(title),
            Axis("policy", policies),
            [Rule(x=0)],
            height=max(160, 60 * len(marks) + 80),
            is_reversed=True,
        )
    )


def _overlap(evaluation: Evaluation) -> str:
    """How large the weights are: the flatter, the better."""
    judged = [
        (place, result)
        for place, result in enumerate(evaluation.results)
        if result.weights and result.policy != evaluation.results[0].policy
    ]
    labels = [f"{percent} %" for _, result in judged[:1] for percent in result.weights or ()]
    series = [
        Series(
            result.policy if result.is_reliable else f"{result.policy} (refused)",
            list(map(float, range(len(labels)))),
            [max(value, 1e-4) for value in (result.weights or {}).values()],
            place,
            "both",
        )
        for place, result in judged
    ]
    x = Axis("share of impressions with a weight of at most", labels)
    y = Axis("weight: target's probability / propensity", is_log=True)
    return chart_html(Chart("Weight: target's probability / propensity", series, x, y, [Rule(y=1)]))


def _sequences(evaluation: Evaluation) -> str:
    """Leads over the logging policy as they would have been seen day after day."""
    curves = [(result.policy, result.lead_curve) for result in evaluation.results if result.lead_curve is not None]
    if not curves:
        return ""
    unit, against = unit_of(evaluation), evaluation.results[0].policy
    series = [
        Series(policy, list(map(float, curve.decisions)), [unit.factor * end for end in ends], place, is_named=is_first)
        for place, (policy, curve) in enumerate(curves, start=1)
        for ends, is_first in ((curve.lower, True), (curve.upper, False))
    ]
    last = max(curve.decisions[-1] for _, curve in curves)
    widest = unit.factor * max(abs(end) for _, curve in curves for end in _late_ends(curve))
    x = Axis("decisions seen", is_log=True, low=last / _DECADES, high=last)
    y = Axis(f"lead over {against}, {unit.difference}", low=-widest, high=widest)
    text = (
        "<p>Confidence sequences of the lead by ips: with probability"
        f" {evaluation.level:.0%} the truth stays between both lines the whole way, so that one may look every day and stop"
        " when one likes. They pay for that, and for holding at any number of decisions, in width.</p>"
    )
    return text + chart_html(Chart(f"Lead over {against}, {unit.difference}", series, x, y, [Rule(y=0)]))


def _late_ends(curve: Curve) -> list[float]:
    """Both ends over the later part, which the picture is scaled to."""
    pairs = zip(curve.decisions, curve.lower, curve.upper, strict=True)
    late = [(lower, upper) for decisions, lower, upper in pairs if decisions >= curve.decisions[-1] / _SCALED_TO]
    return [end for pair in late for end in pair]


def _replay(made: Compared) -> str:
    """The value so far of each policy that learned by replay."""
    unit, series = unit_of(made.evaluation), []
    for place, replayed in enumerate(made.replayed, start=1):
        kept, total, x, y = 0, 0.0, [], []
        for count, value in zip(replayed.kept_by_batch, replayed.value_by_batch, strict=True):
            kept, total = kept + count, total + count * (value or 0.0)
            if kept:
                x.append(float(kept))
                y.append(unit.factor * total / kept)
        series.append(Series(replayed.policy, x, y, place, "both"))
    title = f"Reward per impression so far, {unit.word}"
    return chart_html(Chart(title, series, Axis("impressions kept: shown to the policy that learns"), Axis(title)))


def _online(pairs: Sequence[SideBySide]) -> str:
    """Differences of policies that were live side by side, as the log has them and as they came."""
    shown: list[tuple[str, float, Difference | OnlinePair, int]] = []
    for pair in pairs:
        names = f"{pair.online.policy.policy} minus {pair.online.against.policy}"
        if pair.online.difference is not None:
            shown.append((f"online: {names}", pair.online.difference, pair.online, 2))
        if pair.offline is not None and pair.offline.difference.value is not None:
            shown.append((f"offline: {names}", pair.offline.difference.value, pair.offline.difference, 1))
    whole = [one for one in shown if one[2].lower is not None and one[2].upper is not None]
    series = [
        _intervals("", [(float(row), value, ends.lower or 0.0, ends.upper or 0.0)], 100, tone, [name])
        for row, (name, value, ends, tone) in enumerate(whole)
    ]
    labels = [name for name, _, _, _ in whole]
    title = f"difference, percentage points; {pairs[0].online.level:.0%} intervals of each by itself"
    height = max(160, 50 * len(labels) + 80)
    drawn = chart_html(
        Chart(
            "Differences, online and offline",
            series,
            Axis(title),
            Axis("", labels),
            [Rule(x=0)],
            height,
            is_reversed=True,
        )
    )
    return drawn + _table(online_sheet(pairs)) + listing(online_lines(pairs))
