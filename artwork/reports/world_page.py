"""A comparison in a world as one page that works offline."""

from collections.abc import Sequence
from html import escape
from typing import Final

import plotly.graph_objects as go

from artwork.compare.world import ComparedWorld, covered_share
from artwork.console.tables import Sheet
from artwork.reports.pages import DOTTED, chart, colour_of, comparison, listing, table
from artwork.reports.world_tables import (
    BESIDE,
    KINDS,
    LEGEND,
    OLD,
    accuracy_sheet,
    ages_sheet,
    head_lines,
    standings_sheet,
    targets_sheet,
    verdict_line,
    widths_sheet,
)
from bandit.simulation.seasons.estimator_table import Accuracy
from bandit.simulation.seasons.season import HOURS_A_DAY, Season

_TEXTS: Final = ("policy", "posterior", "logs of", "judged", "estimator")
_NOT_TO_TRUST: Final = (
    "The world is simulated: a ranking here is evidence about policies in this world, not about people (decision 2).",
    "The world stands still but for the new artworks: no drift, no weariness, no effect of one title on another.",
    "Truth is of the visits that were judged. Intervals also allow for other visits, so they cover somewhat more than they say.",
    "Coverage by few seeds is coarse: a share c of n intervals has an error of √(c (1 - c) / n), more where they share logs.",
    "A policy is judged with the posterior that it had at the cut of the log; live, it would go on learning.",
)


def rendered(made: ComparedWorld, again: str) -> str:
    """The whole page; ``again`` is the command that makes the same."""
    ages = ages_sheet(made)
    sections = [
        ("Regret", f"<p>{escape(LEGEND)}.</p>" + _regrets(made) + _closed(made) + _table(standings_sheet(made))),
        ("Old picks", f"<p>{escape(OLD)}.</p>" + _ages(made) + _table(ages) if ages.rows else ""),
        ("Estimators beside the truth", _estimators(made)),
        ("When not to trust this", listing(_NOT_TO_TRUST)),
        ("What was run", listing(head_lines(made))),
    ]
    return comparison(
        f"Policies, compared in the world {made.world}", verdict_line(made), sections, again, missed=False
    )


def _table(sheet: Sheet) -> str:
    return table(sheet.columns, sheet.rows, _TEXTS)


def _days(hours: Sequence[float]) -> list[float]:
    return [hour / HOURS_A_DAY for hour in hours]


def _regrets(made: ComparedWorld) -> str:
    """Regret of an average user, with a band of two standard errors."""
    figure = go.Figure()
    for place, standing in enumerate(made.standings):
        colour, curve = colour_of(place), standing.curve
        x, y, error = [0.0, *_days(curve.hours)], [0.0, *curve.regret], [0.0, *curve.error]
        upper = [m + 2 * e for m, e in zip(y, error, strict=True)]
        lower = [m - 2 * e for m, e in zip(y, error, strict=True)]
        figure.add_scatter(
            x=[*x, *reversed(x)],
            y=[*upper, *reversed(lower)],
            fill="toself",
            fillcolor=colour,
            opacity=0.15,
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=standing.name,
        )
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"color": colour}, name=standing.name, legendgroup=standing.name
        )
    _mark_arrival(figure, made.season)
    figure.update_xaxes(title="live days")
    figure.update_yaxes(title="takes missed by an average user, ± 2 standard errors", rangemode="tozero")
    return chart(figure, height=560)


def _closed(made: ComparedWorld) -> str:
    """How far towards the true best each period came."""
    figure = go.Figure()
    for place, standing in enumerate(made.standings):
        colour = colour_of(place)
        x, y = _days(standing.curve.hours), [100 * share for share in standing.curve.closed]
        figure.add_scatter(x=x, y=y, mode="lines", line={"color": colour}, name=standing.name)
    _mark_arrival(figure, made.season)
    figure.update_xaxes(title="live days")
    figure.update_yaxes(title="percent of the way from uniform to the true best")
    return chart(figure)


def _mark_arrival(figure: go.Figure, season: Season) -> None:
    if season.arrival_share:
        figure.add_vline(x=season.arrival_day - season.explore_days, line=DOTTED, annotation_text="new best artworks")


def _ages(made: ComparedWorld) -> str:
    figure = go.Figure()
    for place, standing in enumerate(made.standings):
        figure.add_scatter(
            x=[age.hours for age in standing.ages],
            y=[100 * age.lost.mean for age in standing.ages],
            error_y={"type": "data", "array": [200 * (age.lost.error or 0.0) for age in standing.ages], "thickness": 1},
            mode="lines+markers",
            line={"color": colour_of(place)},
            name=standing.name,
        )
    figure.update_xaxes(title="hours since fresh picks could have been served")
    figure.update_yaxes(title="percentage points of the take rate lost, ± 2 standard errors")
    return chart(figure)


def _estimators(made: ComparedWorld) -> str:
    if not made.accuracies:
        return ""
    pooled = [accuracy for accuracy in made.accuracies if accuracy.target is None]
    return (
        f"<p>{escape(BESIDE)}.</p>"
        + _errors(pooled)
        + _coverage(pooled, made.level)
        + _table(accuracy_sheet(made))
        + f"<details><summary>Widths of intervals, percentage points</summary>{_table(widths_sheet(made))}</details>"
        + f"<details><summary>Each judged policy by itself</summary>{_table(targets_sheet(made))}</details>"
    )


def _errors(pooled: Sequence[Accuracy]) -> str:
    """Root mean square errors of estimates that stand, by logging policy."""
    figure = go.Figure()
    for place, estimator in enumerate(dict.fromkeys(accuracy.estimator for accuracy in pooled)):
        own = [
            accuracy for accuracy in pooled if accuracy.estimator == estimator and accuracy.root_mean_square is not None
        ]
        figure.add_bar(
            x=[accuracy.logging for accuracy in own],
            y=[100 * (accuracy.root_mean_square or 0.0) for accuracy in own],
            name=estimator,
            marker_color=colour_of(place),
        )
    figure.update_layout(barmode="group")
    figure.update_xaxes(title="whose logs")
    figure.update_yaxes(title="error (RMS), percentage points")
    return chart(figure)


def _coverage(pooled: Sequence[Accuracy], level: float) -> str:
    """How often intervals cover the truth, by kind and estimator, over all logs."""
    figure = go.Figure()
    for place, kind in enumerate(KINDS):
        words = [
            word for word in dict.fromkeys(a.estimator for a in pooled) if covered_share(pooled, word, kind) is not None
        ]
        if words:
            y = [100 * (covered_share(pooled, word, kind) or 0.0) for word in words]
            colour = colour_of(place)
            figure.add_scatter(x=words, y=y, mode="markers", name=kind, marker={"size": 10, "color": colour})
    figure.add_hline(y=100 * level, line=DOTTED)
    figure.update_layout(scattermode="group")
    figure.update_yaxes(title="percent of intervals that cover the truth")
    return chart(figure)
