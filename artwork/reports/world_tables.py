"""A comparison in a world as text, and its tables, which the terminal and the page both show."""

from artwork.compare.world import MOVIELENS, ComparedWorld
from artwork.console.tables import Sheet, printed
from artwork.reports.log_tables import SHARES
from bandit.simulation.seasons.estimator_table import Accuracy
from bandit.simulation.seasons.season_table import Aged, Mean, Standing
from bandit.simulation.seasons.truths import HALL

KINDS = (HALL, "normal", "batches", "bernstein", "sequence")
"""Of intervals, in the order in which they are shown."""

LEGEND = (
    "regret per user: takes that an average user missed on the live days, beside the best artwork each time;"
    " ± is one standard error over seeds"
)
OLD = "what picks lose that are served so many hours after fresh ones could be, in percentage points of the take rate"
BESIDE = (
    "off-policy estimates beside the truth: bias and root mean square error of those that stand, in percentage points of the"
    " take rate; how often the log was said not to tell, and the error that was withheld; how often intervals hold the truth, by"
    " kind (without those that had a caution)"
)

_BEYOND = 2.0  # standard errors of a paired difference, from where on it is told apart from chance


def render(made: ComparedWorld) -> str:
    """What was simulated, who stands where, what age costs, and how estimators fared."""
    sheets = ((LEGEND, standings_sheet(made)), (OLD, ages_sheet(made)), (BESIDE, accuracy_sheet(made)))
    parts = [part for text, sheet in sheets if sheet.rows for part in (text, printed(sheet))]
    return "\n".join((*head_lines(made), "", *parts, verdict_line(made), f"took {made.seconds:.0f} s"))


def standings_sheet(made: ComparedWorld) -> Sheet:
    """Regret, takes, clickbait and new best artworks."""
    columns = (
        "policy", "posterior", "regret per user", "behind the least", "take rate", "gap closed", "clickbait",
        "new found after", "never",
    )  # fmt: skip
    return Sheet(columns, [_standing(standing) for standing in made.standings])


def ages_sheet(made: ComparedWorld) -> Sheet:
    """What old picks lose."""
    ages = [hours for hours in made.season.age_hours if hours]
    columns = ("policy", "posterior", *(f"picks {hours} h old lose" for hours in ages))
    rows = [
        (standing.policy, standing.posterior or "-", *(_aged(age) for age in standing.ages if age.hours))
        for standing in made.standings
    ]
    return Sheet(columns, rows if ages else [])


def accuracy_sheet(made: ComparedWorld) -> Sheet:
    """Estimators by logging policy, over all who were judged by its logs."""
    pooled = [accuracy for accuracy in made.accuracies if accuracy.target is None]
    before = [None, *(accuracy.logging for accuracy in pooled)]
    rows = [
        ("" if accuracy.logging == last else accuracy.logging, *_accuracy(accuracy), *_covered(accuracy))
        for accuracy, last in zip(pooled, before, strict=False)
    ]
    return Sheet(("logs of", *_ACCURACY, *KINDS), rows)


def targets_sheet(made: ComparedWorld) -> Sheet:
    """Estimators by logging and judged policy."""
    columns = ("logs of", "judged", "truth", *_ACCURACY, *KINDS)
    rows = [
        (accuracy.logging, accuracy.target, SHARES.text(accuracy.truth), *_accuracy(accuracy), *_covered(accuracy))
        for accuracy in made.accuracies
        if accuracy.target is not None
    ]
    return Sheet(columns, rows)


def widths_sheet(made: ComparedWorld) -> Sheet:
    """Mean widths of intervals by logging policy and estimator, and how often they were not to be believed."""
    rows = [
        (
            accuracy.logging,
            accuracy.estimator,
            *(points(_width(accuracy, kind)) for kind in KINDS),
            f"{accuracy.cautioned:.0%}",
        )
        for accuracy in made.accuracies
        if accuracy.target is None
    ]
    return Sheet(("logs of", "estimator", *KINDS, "caution"), rows)


_ACCURACY = ("estimator", "bias", "error", "refused", "would err")


def head_lines(made: ComparedWorld) -> list[str]:
    """What was simulated."""
    season = made.season
    sticky = f", kept for {season.sticky_hours} h" if season.kept > 1 else ""
    real = made.world == MOVIELENS
    origin = (
        "users and titles are MovieLens-100K's, artworks and responses simulated" if real else "all of it simulated"
    )
    arrival = (
        f"; a new best artwork in {season.arrival_share:.0%} of the titles from day {season.arrival_day} on"
        if season.arrival_share
        else ""
    )
    return [
        f"{made.world}: {made.users:,} users, {made.titles:,} titles, {made.artworks:,} artworks; {origin}",
        f"{made.seeds} seeds from {made.seed}, {made.impressions:,} impressions each",
        f"{season.days} days, the first {season.explore_days} of them under uniform",
        f"picks every {season.cadence_hours} h{sticky}, floor {season.floor:g}{arrival}",
        f"logs cut at {made.split:g}, reward model {made.reward_model}, {made.resamples:,} resamples, level {made.level:g}",
        "policies that the logs judge are frozen at the split; those that are live learn on",
    ]


def verdict_line(made: ComparedWorld) -> str:
    """Who has the least regret, and of whom that is more than chance."""
    best = min(made.standings, key=lambda standing: standing.regret.mean)
    others = [standing for standing in made.standings if standing is not best]
    worse = [standing.name for standing in others if _is_beyond(standing.behind)]
    near = [standing.name for standing in others if not _is_beyond(standing.behind)]
    sentence = f"{best.name} has the least regret: an average user misses {signed(best.regret, '{:.1f}')} takes on the live days"
    if near:
        sentence += f"; {', '.join(near)} cannot be told from it by {made.seeds} seeds"
    return sentence + (f"; behind it: {', '.join(worse)}" if worse else "")


def signed(value: Mean, form: str, scale: float = 1.0) -> str:
    """A mean with its standard error."""
    number = form.format(scale * value.mean)
    return number if value.error is None else f"{number} ± {form.replace('+', '').format(scale * value.error)}"


def _is_beyond(difference: Mean) -> bool:
    return difference.error is not None and difference.mean > _BEYOND * difference.error


def _standing(standing: Standing) -> tuple[str, ...]:
    return (
        standing.policy,
        standing.posterior or "-",
        signed(standing.regret, "{:.2f}"),
        signed(standing.behind, "{:+.2f}"),
        SHARES.text(standing.take_rate.mean),
        signed(standing.closed, "{:.1f}%", 100),
        f"{standing.clickbait.mean:.1%}",
        "-" if standing.found_hours is None else f"{standing.found_hours:.0f} h",
        "-" if standing.never is None else f"{standing.never:.0%} of {standing.arrived}",
    )


def _aged(age: Aged) -> str:
    share = "" if age.share is None else f" ({age.share:.1%} of the lead)"
    return f"{signed(age.lost, '{:.4f}', 100)} points{share}"


def _accuracy(accuracy: Accuracy) -> tuple[str, ...]:
    return (
        accuracy.estimator,
        "-" if accuracy.bias is None else signed(accuracy.bias, "{:+.3f}", 100),
        points(accuracy.root_mean_square),
        f"{accuracy.refused:.0%}",
        points(accuracy.refused_root_mean_square),
    )


def points(value: float | None) -> str:
    """A difference of rates, in percentage points."""
    return "-" if value is None else f"{100 * value:.3f}"


def _covered(accuracy: Accuracy) -> tuple[str, ...]:
    coverages = [accuracy.coverage.get(kind) for kind in KINDS]
    return tuple("-" if coverage is None else f"{coverage.covered:.0%}" for coverage in coverages)


def _width(accuracy: Accuracy, kind: str) -> float | None:
    coverage = accuracy.coverage.get(kind)
    return None if coverage is None else coverage.width
