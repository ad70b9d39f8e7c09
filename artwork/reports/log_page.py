"""A comparison on a log as text, and as one page that works offline."""

from collections.abc import Sequence
from math import log10
from typing import Final

import plotly.graph_objects as go

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
from artwork.reports.pages import DOTTED, add_intervals, chart, colour_of, comparison, listing, table
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
    figure, unit = go.Figure(), unit_of(evaluation)
    words = list(dict.fromkeys(word for result in evaluation.results for word in result.estimates))
    for place, word in enumerate(words):
        shift = 0.7 * ((place + 0.5) / len(words) - 0.5)
        marks, policies = [], []
        for row, result in enumerate(evaluation.results):
            estimate = result.estimates.get(word)
            if estimate is not None and estimate.value is not None and estimate.lower is not None:
                marks.append((row + shift, estimate.value, estimate.lower, estimate.upper or 0.0))
                policies.append(result.policy)
        add_intervals(
            figure,
            marks,
            unit.factor,
            {"thickness": 1.5, "width": 3},
            marker={"color": colour_of(place), "size": 7},
            name=word,
            customdata=policies,
            hovertemplate="%{customdata}: %{x:.4g} ",
        )
    labels = [result.policy if result.is_reliable else f"{result.policy} (refused)" for result in evaluation.results]
    figure.update_yaxes(tickvals=list(range(len(labels))), ticktext=labels, autorange="reversed")
    figure.update_xaxes(title=f"reward per impression, {unit.word}; {evaluation.level:.0%} intervals, each by itself")
    return chart(figure, height=max(360, 90 * len(labels) + 140))


def _leads(evaluation: Evaluation) -> str:
    """Leads over the logging policy with their adjusted intervals."""
    first = evaluation.results[0].policy
    marks = [
        (lead.policy, lead.value, lead.adjusted_lower or 0.0, lead.adjusted_upper or 0.0)
        for lead in evaluation.differences
        if lead.against == first and lead.value is not None
    ]
    if not marks:
        return ""
    figure, unit = go.Figure(), unit_of(evaluation)
    marker = {"size": 9, "color": colour_of(1)}
    add_intervals(figure, marks, unit.factor, marker=marker, hovertemplate="%{y}: %{x:+.4g}", showlegend=False)
    figure.add_vline(x=0, line=DOTTED)
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(
        title=f"lead over {first} by {evaluation.estimator}, {unit.word}; {evaluation.level:.0%} for all differences together"
    )
    return chart(figure, height=max(260, 60 * len(marks) + 140))


def _overlap(evaluation: Evaluation) -> str:
    """How large the weights are: the flatter, the better."""
    figure = go.Figure()
    for place, result in enumerate(evaluation.results):
        if result.weights and result.policy != evaluation.results[0].policy:
            figure.add_scatter(
                x=[f"{percent} %" for percent in result.weights],
                y=[max(value, 1e-4) for value in result.weights.values()],
                mode="lines+markers",
                line={"color": colour_of(place), "dash": "solid" if result.is_reliable else "dot"},
                name=result.policy if result.is_reliable else f"{result.policy} (refused)",
            )
    if not figure.data:
        return ""
    figure.add_hline(y=1, line=DOTTED)
    figure.update_xaxes(title="share of impressions with a weight of at most", type="category")
    figure.update_yaxes(title="weight: target's probability / propensity", type="log")
    return chart(figure)


def _sequences(evaluation: Evaluation) -> str:
    """Leads over the logging policy as they would have been seen day after day."""
    curves = [(result.policy, result.lead_curve) for result in evaluation.results if result.lead_curve is not None]
    if not curves:
        return ""
    figure, unit = go.Figure(), unit_of(evaluation)
    for place, (policy, curve) in enumerate(curves, start=1):
        for ends, name in ((curve.lower, policy), (curve.upper, None)):
            figure.add_scatter(
                x=curve.decisions,
                y=[unit.factor * end for end in ends],
                mode="lines",
                line={"color": colour_of(place)},
                name=name,
                legendgroup=policy,
                showlegend=name is not None,
            )
    figure.add_hline(y=0, line=DOTTED)
    last = max(curve.decisions[-1] for _, curve in curves)
    figure.update_xaxes(title="decisions seen", type="log", range=[log10(last / _DECADES), log10(last)])
    widest = unit.factor * max(abs(end) for _, curve in curves for end in _late_ends(curve))
    figure.update_yaxes(title=f"lead over {evaluation.results[0].policy}, {unit.word}", range=[-widest, widest])
    text = (
        "<p>Confidence sequences of the lead by ips: with probability"
        f" {evaluation.level:.0%} the truth stays between both lines the whole way, so that one may look every day and stop"
        " when one likes. They pay for that, and for holding at any number of decisions, in width.</p>"
    )
    return text + chart(figure)


def _late_ends(curve: Curve) -> list[float]:
    """Both ends over the later part, which the picture is scaled to."""
    pairs = zip(curve.decisions, curve.lower, curve.upper, strict=True)
    late = [(lower, upper) for decisions, lower, upper in pairs if decisions >= curve.decisions[-1] / _SCALED_TO]
    return [end for pair in late for end in pair]


def _replay(made: Compared) -> str:
    """The value so far of each policy that learned by replay."""
    figure, unit = go.Figure(), unit_of(made.evaluation)
    for place, replayed in enumerate(made.replayed, start=1):
        kept, total, x, y = 0, 0.0, [], []
        for count, value in zip(replayed.kept_by_batch, replayed.value_by_batch, strict=True):
            kept, total = kept + count, total + count * (value or 0.0)
            if kept:
                x.append(kept)
                y.append(unit.factor * total / kept)
        figure.add_scatter(x=x, y=y, mode="lines+markers", name=replayed.policy, line={"color": colour_of(place)})
    figure.update_xaxes(title="impressions kept: shown to the policy that learns")
    figure.update_yaxes(title=f"reward per impression so far, {unit.word}")
    return chart(figure)


def _online(pairs: Sequence[SideBySide]) -> str:
    """Differences of policies that were live side by side, as the log has them and as they came."""
    figure = go.Figure()
    for pair in pairs:
        names = f"{pair.online.policy.policy} minus {pair.online.against.policy}"
        _difference(figure, f"online: {names}", pair.online.difference, pair.online, colour_of(2))
        if pair.offline is not None:
            judged = pair.offline.difference
            _difference(figure, f"offline: {names}", judged.value, judged, colour_of(1))
    figure.add_vline(x=0, line=DOTTED)
    figure.update_xaxes(title=f"difference, percent; {pairs[0].online.level:.0%} intervals of each by itself")
    height = max(260, 100 * len(pairs) + 140)
    drawn = chart(figure, height=height) if figure.data else ""
    return drawn + _table(online_sheet(pairs)) + listing(online_lines(pairs))


def _difference(figure: go.Figure, name: str, value: float | None, ends: Difference | OnlinePair, colour: str) -> None:
    if value is not None and ends.lower is not None and ends.upper is not None:
        marks, marker = [(name, value, ends.lower, ends.upper)], {"size": 9, "color": colour}
        template = "%{y}: %{x:+.3f} %<extra></extra>"
        add_intervals(figure, marks, 100, marker=marker, hovertemplate=template, showlegend=False)
