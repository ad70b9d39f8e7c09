"""Pairs of experiments, panels and cutoffs as text and pages: the effect, and each assumption in words."""

from collections.abc import Sequence
from shlex import quote
from typing import Final

from artwork.console.tables import Sheet, printed
from artwork.reports.experiments.parts import ends
from artwork.reports.pages import comparison, listing, table
from artwork.reports.svg import Axis, Chart, Rule, Series, chart_html
from batch.experiments.designs.assumptions import Assumption
from batch.experiments.designs.cutoff import Cutoff
from batch.experiments.designs.interactions import Interactions, PairEffect
from batch.experiments.designs.panel import Panel

_NO: Final = "-"
_MOST_ROWS: Final = 20
_WORDS: Final = {True: "passes", False: "FAILS", None: "cannot be told"}
_ORDER: Final = (False, True, None)
_BAD: Final = {"FAILS"}
_TEXTS: Final = ("assumption", "what was seen", "what it means", "from", "")


def assumption_lines(assumptions: Sequence[Assumption]) -> list[str]:
    """Each assumption, whether data speak against it, what was seen, and what that means."""
    return [
        f"{_WORDS[one.holds]:>14}  {one.name}\n{'':16}{one.seen}\n{'':16}{one.means}"
        for one in sorted(assumptions, key=lambda one: _ORDER.index(one.holds))
    ]


def render_interactions(made: Interactions) -> str:
    """The pairs with the smallest p-values, and what could have been seen."""
    told = [one for one in made.pairs if one.effect is not None]
    head = (
        f"{len(made.experiments)} experiments, {len(made.pairs)} pairs, {made.metric} ({made.value:.5g} over all users)"
    )
    lines = [head, *made.notes]
    if told:
        lines.append(printed(_pairs_sheet(told[:_MOST_ROWS])))
        if len(told) > _MOST_ROWS:
            lines.append(f"{len(told) - _MOST_ROWS} other pairs have a larger p; --json has all")
    lines += [f"caution: {one.first} x {one.second}: {one.caution}" for one in told if one.caution]
    lines += [f"{one.first} x {one.second} cannot be told: {one.problem}" for one in made.pairs if one.effect is None]
    return "\n".join((*lines, *_found_lines(made, told)))


def _pairs_sheet(pairs: Sequence[PairEffect]) -> Sheet:
    rows = [
        (f"{one.first} x {one.second}", f"{one.users:,}", f"{one.effect.value:+.4g}", ends(one.effect.lower, one.effect.upper),
         f"{one.effect.p_value:.3g}", f"{one.adjusted:.3g}", f"{one.detectable:.3g}", f"{one.alone:.3g}")
        for one in pairs
        if one.effect is not None
    ]  # fmt: skip
    columns = ("pair", "users", "interaction", "95% interval", "p", "adjusted p", "one pair shows", "all pairs show")
    return Sheet(columns, rows, numbers_from=1)


def _found_lines(made: Interactions, told: Sequence[PairEffect]) -> list[str]:
    if not told:
        return ["no pair can be told"]
    called = made.called
    names = ", ".join(f"{one.first} x {one.second}" for one in called)
    first = (
        f"{len(called)} of {len(told)} pairs interact: {names}: read each experiment's effect with and without the other"
        if called
        else f"no interaction is seen among {len(told)} pairs, which is not to say that there is none"
    )
    reached = sorted(one.alone for one in told if one.alone is not None)
    power = (
        f"what could be seen, 4 times in 5: an interaction of {reached[0]:.3g} to {reached[-1]:.3g}, where it is the only one"
        f" of all pairs (column all pairs show); it takes four times the users of an effect of that size"
    )
    return [first, power]


def render_panel(made: Panel) -> str:
    """The effect, its assumptions, and what to make of them."""
    parts = [*_panel_lines(made), *assumption_lines(made.assumptions)]
    if made.starts:
        parts.append(printed(_starts_sheet(made)))
    return "\n".join((*parts, *made.notes, made.conclusion))


def _panel_lines(made: Panel) -> list[str]:
    found = made.found
    treated, never = found.units
    moved = "higher" if found.value >= 0 else "lower"
    by = "the wild bootstrap" if found.wild_p_value is not None else "Student's distribution"
    return [
        (
            f"{made.rows:,} rows, {treated} treated and {never} untreated units, {len(made.times)} times from {made.times[0]} to"
            f" {made.times[-1]}"
        ),
        (
            f"where units were treated the outcome is {abs(found.value):.4g} {moved} than without, {found.level:.0%} interval"
            f" {ends(found.lower, found.upper)}, p = {made.p_value:.3g} by {by}"
        ),
    ]


def _starts_sheet(made: Panel) -> Sheet:
    rows = [
        (one.time, f"{one.units}", _NO, one.problem)
        if one.effect is None
        else (one.time, f"{one.units}", f"{one.effect.value:+.4g}", ends(one.effect.lower, one.effect.upper))
        for one in made.starts
    ]
    return Sheet(("from", "units", "against never treated", "interval"), rows, numbers_from=1)


def panel_page(made: Panel) -> str:
    """The same as a page, with both kinds of units over time, and how far apart they were before."""
    sections = [
        ("Both kinds of units over time", _over_time(made)),
        ("Before the treatment", _leads(made)),
        ("What it rests on", _assumptions(made.assumptions)),
        ("From which time on", _sheet(_starts_sheet(made)) if made.starts else ""),
        ("Data", listing([*_panel_lines(made), *made.notes])),
    ]
    return comparison(
        "Difference-in-differences",
        f"{_capital(made.conclusion)}. {_capital(_panel_lines(made)[1])}.",
        sections,
        f"artwork experiment panel --table {quote(made.table)}",
        missed=not made.passed,
        name="artwork experiment panel",
    )


def _over_time(made: Panel) -> str:
    series = []
    for tone, name, values in (
        (1, "treated at some time", [one.treated for one in made.means]),
        (2, "never treated", [one.untreated for one in made.means]),
    ):
        points = [(float(at), value) for at, value in enumerate(values) if value is not None]
        series.append(Series(name, [x for x, _ in points], [y for _, y in points], tone, "both"))
    every = max(1, len(made.times) // 8)
    axis = Axis("time", ticks=[(float(at), name) for at, name in enumerate(made.times) if at % every == 0])
    return chart_html(Chart("Mean outcome", series, axis, Axis("mean outcome"), height=340))


def _leads(made: Panel) -> str:
    leads = sorted(made.found.leads)
    if not leads:
        return listing(["there are too few times before the treatment to see how both kinds moved"])
    series = Series(
        "treated minus untreated",
        [float(at) for at, _ in leads],
        [effect.value for _, effect in leads],
        1,
        "points",
        y_ends=[(effect.lower, effect.upper) for _, effect in leads],
    )
    title = "Treated units apart from where they were just before the treatment"
    axis = Axis("times before the treatment (-1 is the last, and 0 apart by definition)")
    return chart_html(Chart(title, [series], axis, Axis("apart"), [Rule(y=0)], height=300))


def render_cutoff(made: Cutoff) -> str:
    """The jump, its assumptions, and what to make of them."""
    return "\n".join((*_cutoff_lines(made), *assumption_lines(made.assumptions), made.conclusion))


def _cutoff_lines(made: Cutoff) -> list[str]:
    found = made.found
    jumps = "higher" if found.value >= 0 else "lower"
    return [
        (
            f"{made.rows:,} rows, of which {found.rows[0]:,} below and {found.rows[1]:,} from {made.cutoff:.10g} on count,"
            f" within {made.bandwidth:g} of it"
        ),
        (
            f"just from the cutoff on the outcome is {abs(found.value):.4g} {jumps} than just below, {found.level:.0%} interval"
            f" {ends(found.lower, found.upper)}, p = {found.p_value:.3g} (corrected for bias; without"
            f" {found.conventional.value:+.4g})"
        ),
    ]


def cutoff_page(made: Cutoff) -> str:
    """The same as a page, with the outcome and the rows by score, and the effect with other bandwidths."""
    words = [
        f"artwork experiment cutoff --table {quote(made.table)} --cutoff {made.cutoff} --bandwidth {made.bandwidth}"
    ]
    words += [f"--bias-bandwidth {made.bias_bandwidth}"] if made.bias_bandwidth != made.bandwidth else []
    words += [f"--fixed {quote(name)}" for name in made.fixed]
    sections = [
        ("The outcome by score", _by_score(made) + _rows_by_score(made)),
        ("What it rests on", _assumptions(made.assumptions)),
        ("Other bandwidths", _bandwidths(made)),
        ("Data", listing(_cutoff_lines(made))),
    ]
    return comparison(
        "Regression discontinuity",
        f"{_capital(made.conclusion)}. {_capital(_cutoff_lines(made)[1])}.",
        sections,
        " ".join(words),
        missed=not made.passed,
        name="artwork experiment cutoff",
    )


def _by_score(made: Cutoff) -> str:
    series = []
    for tone, name, own in (
        (2, "below", [one for one in made.bins if one.score < made.cutoff]),
        (1, "from the cutoff on", [one for one in made.bins if one.score >= made.cutoff]),
    ):
        texts = [f"{one.rows:,} rows" for one in own]
        series.append(
            Series(name, [one.score for one in own], [one.outcome for one in own], tone, "points", texts=texts)
        )
    rule = Rule(x=made.cutoff, words="cutoff")
    return chart_html(Chart("Mean outcome by score", series, Axis("score"), Axis("mean outcome"), [rule], height=340))


def _rows_by_score(made: Cutoff) -> str:
    series = Series("rows", [one.score for one in made.bins], [float(one.rows) for one in made.bins], 3, "both")
    rule = Rule(x=made.cutoff)
    return chart_html(Chart("Rows by score", [series], Axis("score"), Axis("rows", low=0), [rule], height=260))


def _bandwidths(made: Cutoff) -> str:
    found = made.found
    own = made.bandwidth, found.value, (found.lower, found.upper)
    others = ((width, effect.value, (effect.lower, effect.upper)) for width, effect in found.sensitivity)
    tried = sorted([own, *others])
    series = Series(
        "effect",
        [width for width, _, _ in tried],
        [value for _, value, _ in tried],
        1,
        "points",
        y_ends=[interval for _, _, interval in tried],
    )
    return chart_html(
        Chart("Effect by bandwidth", [series], Axis("bandwidth"), Axis("effect"), [Rule(y=0)], height=300)
    )


def _assumptions(assumptions: Sequence[Assumption]) -> str:
    rows = [(one.name, one.seen, one.means, _WORDS[one.holds]) for one in assumptions]
    return table(("assumption", "what was seen", "what it means", ""), rows, _TEXTS, missed=_BAD, wraps=True)


def _sheet(sheet: Sheet) -> str:
    return table(sheet.columns, sheet.rows, _TEXTS)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
