"""A comparison of rewards as text and as one page that works offline."""

from collections.abc import Sequence
from html import escape
from typing import Final

from artwork.compare.rewards import ComparedRewards, Figures, Lead, Setting
from artwork.compare.world import MOVIELENS
from artwork.console.tables import Sheet, printed
from artwork.reports.log_tables import SHARES
from artwork.reports.pages import comparison, listing, table
from artwork.reports.svg import Axis, Chart, Series, chart_html
from artwork.reports.world_tables import signed
from bandit.simulation.seasons.objective_run import OBJECTIVES
from bandit.simulation.seasons.season_table import Mean

LEGEND: Final = (
    "of the live days, as the world expects it of what was shown: clicks per impression, takes per click, and the probability"
    " that two titles of a user's day show different themes; ± is one standard error over seeds"
)
ON_FRONT: Final = (
    "on the front: no other reward is at least as good in the means of these three and better in one; in how many of the"
    " resamples of the seeds. behind: those that are, by number, with ! where one of the three leads by more than chance. like:"
    " those that none of the three tells it from"
)
BESIDE: Final = (
    "beside the default, in percentage points; in brackets the intervals of the paired differences over seeds, which hold"
    " together, and are fewer than those of all pairs: one may leave out 0 where like lists both; no brackets where every seed"
    " says the same, or there is one seed"
)
_NOT_TO_TRUST: Final = (
    "The world is simulated: what a weight costs here is evidence about this world, not about people (decision 2).",
    "Nobody in this world grows weary of a theme: diversity has no effect on clicks but through the artworks that it chooses.",
    "What is more than chance is so by t-intervals of paired differences over seeds, for all pairs and the three together.",
    "The share of resamples is of the seeds that were played: by few seeds it is coarse.",
    "Other weights, other days: what is learned of diversity and freshness follows what was shown with a delay.",
)


_MOST_PAIRS: Final = 10  # that are listed


def render(made: ComparedRewards) -> str:
    """What was simulated, what each reward came to, and where the default stands."""
    leads = leads_sheet(made)
    return "\n".join(
        (
            *head_lines(made),
            "",
            LEGEND,
            printed(figures_sheet(made)),
            ON_FRONT,
            printed(front_sheet(made)),
            *((BESIDE, printed(leads)) if leads.rows else ()),
            *verdict_lines(made),
            f"took {made.seconds:.0f} s",
        )
    )


def rendered(made: ComparedRewards, again: str) -> str:
    """The whole page; ``again`` is the command that makes the same."""
    texts = ("reward", "on the front", "behind", "like")
    lines = verdict_lines(made)
    figures, front, leads = figures_sheet(made), front_sheet(made), leads_sheet(made)
    sections = [
        (
            "Objectives",
            f"<p>{escape(LEGEND)}.</p>"
            + _curve(made, "completion", "Takes per click, percent")
            + _curve(made, "diversity", "Diversity of a user's day, percent")
            + table(figures.columns, figures.rows, texts),
        ),
        ("The front", f"<p>{escape(ON_FRONT)}.</p>" + table(front.columns, front.rows, texts)),
        (
            "Beside the default",
            f"<p>{escape(BESIDE)}.</p>" + table(leads.columns, leads.rows, texts) if leads.rows else "",
        ),
        ("What it says", listing(lines)),
        ("When not to trust this", listing(_NOT_TO_TRUST)),
        ("What was run", listing(head_lines(made))),
    ]
    return comparison(f"Rewards, compared in the world {made.world}", lines[0], sections, again, missed=False)


def figures_sheet(made: ComparedRewards) -> Sheet:
    """What each reward came to, and uniform choice below."""
    columns = (
        "", "reward", "click-through", "completion", "diversity", "take rate", "themes a day", "freshness", "clickbait",
    )  # fmt: skip
    rows = [(str(one.number), one.reward, *_cells(one.figures)) for one in made.settings]
    return Sheet(columns, [*rows, ("", "(uniform choice)", *_cells(made.uniform))], 2)


def front_sheet(made: ComparedRewards) -> Sheet:
    """Which rewards are on the front, and how sure that is."""
    columns = "", "reward", "on the front", "behind", "like"
    return Sheet(columns, [(str(one.number), one.reward, *_standing(one)) for one in made.settings])


def leads_sheet(made: ComparedRewards) -> Sheet:
    """Every other reward beside the default."""
    columns = "", "reward", "click-through", "completion", "diversity"
    rows = [
        (str(one.number), one.reward, *(_lead(one.beside_default[name]) for name in OBJECTIVES))
        for one in made.settings
        if not one.is_default
    ]
    return Sheet(columns, rows, 2)


def head_lines(made: ComparedRewards) -> list[str]:
    """What was simulated."""
    season = made.season
    origin = "users and titles are MovieLens-100K's, artworks and responses simulated"
    learner = made.policy if made.posterior is None else f"{made.policy} + {made.posterior}"
    late = f"; a new best artwork in {season.arrival_share:.0%} of the titles from day {season.arrival_day} on"
    simulated = origin if made.world == MOVIELENS else "all of it simulated"
    return [
        f"{made.world}: {made.users:,} users, {made.titles:,} titles, {made.artworks:,} artworks; {simulated}",
        f"{made.seeds} seeds from {made.seed}, {made.impressions:,} impressions each",
        f"{season.days} days, the first {season.explore_days} of them under uniform",
        f"{learner}, picks every {season.cadence_hours} h, floor {season.floor:g}{late if season.arrival_share else ''}",
        f"{made.resamples:,} resamples, level {made.level:g}",
    ]


def verdict_lines(made: ComparedRewards) -> list[str]:
    """Where the default stands, what clicks alone do, and what cannot be told apart."""
    lines = [_of_default(made)]
    if (clicks := made.clicks) is not None:
        lines.append(_of_clicks(made, clicks))
    pairs = [(one.number, other) for one in made.settings for other in one.alike if other > one.number]
    if made.seeds == 1:
        lines.append("a single seed tells no two rewards apart: play more by --seeds")
    elif pairs:
        count = len(made.settings) * (len(made.settings) - 1) // 2
        said = ", ".join(f"{one} and {other}" for one, other in pairs[:_MOST_PAIRS])
        more = f", and {len(pairs) - _MOST_PAIRS} more (like)" if len(pairs) > _MOST_PAIRS else ""
        lines.append(f"{len(pairs)} of {count} pairs cannot be told apart by {made.seeds} seeds: {said}{more}")
    else:
        lines.append(f"all pairs of rewards differ in something by more than chance, by {made.seeds} seeds")
    return lines


def _of_default(made: ComparedRewards) -> str:
    default = made.default
    shares = "" if default.front_share is None else f"in {default.front_share:.0%} of the resamples"
    start = f"the default reward, {default.reward}, is"
    if default.is_on_front:
        return f"{start} on the front" + (f", {shares}" if shares else "")
    behind = f"{start} behind {_named(made, default.dominated_by)}"
    beaten = f"more than chance: {_named(made, default.beaten_by)}" if default.beaten_by else "none by more than chance"
    return "; ".join(filter(None, (behind, beaten, f"it is on the front {shares}" if shares else "")))


def _of_clicks(made: ComparedRewards, clicks: Setting) -> str:
    own, default, uniform = clicks.figures, made.default.figures, made.uniform
    return (
        f"clicks alone show clickbait {own.clickbait.mean:.1%} of the time ({default.clickbait.mean:.1%} by the default,"
        f" {uniform.clickbait.mean:.1%} under uniform): {100 * (own.click_through.mean - default.click_through.mean):+.2f} points"
        f" of clicks and {100 * (own.take_rate.mean - default.take_rate.mean):+.2f} points of takes beside the default"
    )


def _named(made: ComparedRewards, numbers: Sequence[int]) -> str:
    return ", ".join(made.settings[number - 1].reward for number in numbers)


def _cells(figures: Figures) -> tuple[str, ...]:
    return (
        signed(figures.click_through, "{:.2f}%", 100),
        signed(figures.completion, "{:.1f}%", 100),
        signed(figures.diversity, "{:.1f}%", 100),
        SHARES.text(figures.take_rate.mean),
        f"{figures.themes.mean:.1f}",
        f"{figures.freshness.mean:.3f}",
        f"{figures.clickbait.mean:.1%}",
    )


def _lead(lead: Lead) -> str:
    ends = "" if lead.lower is None or lead.upper is None else f" ({100 * lead.lower:+.2f} to {100 * lead.upper:+.2f})"
    return f"{100 * lead.mean:+.2f}{ends}"


def _standing(one: Setting) -> tuple[str, ...]:
    share = "" if one.front_share is None else f" ({one.front_share:.0%})"
    behind = (f"{number}!" if number in one.beaten_by else str(number) for number in one.dominated_by)
    return (
        f"{'yes' if one.is_on_front else 'no'}{share}",
        ", ".join(behind) or "-",
        ", ".join(map(str, one.alike)) or "-",
    )


def _curve(made: ComparedRewards, objective: str, title: str) -> str:
    """An objective over the click-through rate, the front in one colour and the rest in another."""
    series = []
    for place, (name, kept) in enumerate((("on the front", True), ("behind another", False))):
        own = [one for one in made.settings if one.is_on_front == kept]
        means = [(one.figures.click_through, getattr(one.figures, objective)) for one in own]
        series.append(
            Series(
                name,
                [100 * x.mean for x, _ in means],
                [100 * y.mean for _, y in means],
                place,
                "points",
                x_ends=[_ends(x) for x, _ in means],
                y_ends=[_ends(y) for _, y in means],
                texts=[f"{one.number}: {one.reward}" for one in own],
            )
        )
    kept_series = [one for one in series if one.x]
    return chart_html(Chart(title, kept_series, Axis("clicks per impression, percent"), Axis(title)))


def _ends(mean: Mean) -> tuple[float, float]:
    value, error = 100 * mean.mean, 200 * (mean.error or 0.0)
    return value - error, value + error
