"""A comparison in a world as one page that works offline."""

from collections.abc import Sequence
from html import escape
from typing import Final

from artwork.compare.world import ComparedWorld, covered_share
from artwork.console.tables import Sheet
from artwork.reports.pages import comparison, listing, table
from artwork.reports.svg import Axis, Chart, Rule, Series, chart_html
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
    series = []
    for place, standing in enumerate(made.standings):
        curve = standing.curve
        x, y, error = [0.0, *_days(curve.hours)], [0.0, *curve.regret], [0.0, *curve.error]
        ends = [(m - 2 * e, m + 2 * e) for m, e in zip(y, error, strict=True)]
        series.append(Series(standing.name, x, y, place, y_ends=ends, has_band=True))
    title = "Takes missed by an average user, ± 2 standard errors"
    return chart_html(Chart(title, series, Axis("live days"), Axis(title, low=0.0), _arrival(made.season), height=520))


def _closed(made: ComparedWorld) -> str:
    """How far towards the true best each period came."""
    series = [
        Series(standing.name, _days(standing.curve.hours), [100 * share for share in standing.curve.closed], place)
        for place, standing in enumerate(made.standings)
    ]
    title = "Percent of the way from uniform to the true best"
    return chart_html(Chart(title, series, Axis("live days"), Axis(title), _arrival(made.season)))


def _arrival(season: Season) -> list[Rule]:
    if not season.arrival_share:
        return []
    return [Rule(x=float(season.arrival_day - season.explore_days), words="new best artworks")]


def _ages(made: ComparedWorld) -> str:
    series = []
    for place, standing in enumerate(made.standings):
        y = [100 * age.lost.mean for age in standing.ages]
        errors = [200 * (age.lost.error or 0.0) for age in standing.ages]
        ends = [(m - e, m + e) for m, e in zip(y, errors, strict=True)]
        series.append(Series(standing.name, [age.hours for age in standing.ages], y, place, "both", y_ends=ends))
    title = "Percentage points of the take rate lost, ± 2 standard errors"
    return chart_html(Chart(title, series, Axis("hours since fresh picks could have been served"), Axis(title)))


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
    labels = list(dict.fromkeys(accuracy.logging for accuracy in pooled))
    series = []
    for place, estimator in enumerate(dict.fromkeys(accuracy.estimator for accuracy in pooled)):
        own = [
            (float(labels.index(accuracy.logging)), 100 * accuracy.root_mean_square)
            for accuracy in pooled
            if accuracy.estimator == estimator and accuracy.root_mean_square is not None
        ]
        series.append(Series(estimator, [x for x, _ in own], [y for _, y in own], place, "bars"))
    title = "Error (RMS), percentage points"
    return chart_html(Chart(title, series, Axis("whose logs", labels), Axis(title, low=0.0)))


def _coverage(pooled: Sequence[Accuracy], level: float) -> str:
    """How often intervals cover the truth, by kind and estimator, over all logs."""
    words = list(dict.fromkeys(accuracy.estimator for accuracy in pooled))
    series = []
    for place, kind in enumerate(KINDS):
        shares = [(at, covered_share(pooled, word, kind)) for at, word in enumerate(words)]
        shift = 0.6 * ((place + 0.5) / len(KINDS) - 0.5)
        own = [(at + shift, 100 * share) for at, share in shares if share is not None]
        series.append(Series(kind, [x for x, _ in own], [y for _, y in own], place, "points"))
    title = "Percent of intervals that cover the truth"
    return chart_html(Chart(title, series, Axis("estimator", words), Axis(title), [Rule(y=100 * level)]))
