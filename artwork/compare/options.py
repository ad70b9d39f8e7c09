"""The options of ``artwork compare`` by what they have an effect on, and what they ask for."""

from dataclasses import dataclass, fields
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Final

from artwork.compare.delays import DELAYS, REPETITIONS
from artwork.compare.rewards import GRID, USUAL_POLICY
from artwork.compare.world import MOVIELENS, SCENES, WorldRequest
from artwork.compare.world_words import parse_hours, usual_ages, usual_arrival
from artwork.console.options import option
from bandit.deploying import Floors
from bandit.errors import InputError
from bandit.evaluation.overlap import Thresholds
from bandit.evaluation.results import ALL_ESTIMATORS, Settings
from bandit.evaluation.targets import LOGGING
from bandit.policies.deciding import NEW_ARM_IMPRESSIONS
from bandit.simulation.seasons.season import Season
from bandit.simulation.studies.delay_table import FULL_STEPS
from batch.datasets.wheels import default_cache
from batch.logs.cells import EPOCHS
from batch.logs.columns import KNOWN, parse_columns
from batch.logs.contexts import MEAN, REFUSE
from batch.logs.open_bandit import NAMES
from batch.logs.workspace_log import WORKSPACE
from batch.offline.compare import Request

CHAPELLE_LI: Final = "chapelle-li"
WORLDS: Final = (*SCENES, CHAPELLE_LI)
WORLD_PANEL: Final = "Simulated worlds (--world)"

_LOG, _SEASON, _WORLD, _SETTINGS = Request(), Season(), WorldRequest(MOVIELENS, ""), Settings()


@dataclass(frozen=True)
class LogOptions:
    """Which log, and how it is read; without effect on a world."""

    HELP_PANEL: ClassVar = "The log"

    log: str = option(
        _LOG.log,
        f"{WORKSPACE} (the workspace's own impressions), {NAMES[0]} and its like, or a file, folder or glob: Parquet,"
        " CSV, JSON lines.",
    )
    source: Path | None = option(_LOG.source, "The full Open Bandit Dataset: folder, zip or CSV file.", "--from")
    columns: str = option(
        _LOG.columns.text,
        f"Columns of a file, role=column: action=item,reward=bought,context=age+x_*. Roles: {', '.join(KNOWN)}.",
    )
    time_format: str | None = option(
        _LOG.time_format,
        f"How a file's times are written: as for strptime, such as '%d.%m.%Y %H:%M', or {', '.join(EPOCHS)}.",
    )
    missing: str = option(
        _LOG.missing, f"Where a context of a file has no value: {REFUSE} it, or put its {MEAN} over the log."
    )
    reward: str = option(_LOG.reward, "What counts in a workspace's log, as for artwork train.")
    until: str | None = option(
        None,
        "Last day of a workspace's log to learn from and judge by, YYYY-MM-DD; what was live later is told beside it.",
    )


@dataclass(frozen=True)
class JudgingOptions:
    """How policies are judged, on a log and in a world."""

    HELP_PANEL: ClassVar = "How it is judged"

    policies: str = option(
        _LOG.policies,
        f"Words as for artwork run, table:FILE (columns arm, probability), or module:Class; {LOGGING} is always there.",
    )
    posterior: str = option(_LOG.posterior, "What they learn with: beta, linear, logistic, shared. In a world several.")
    estimators: str = option(
        ",".join(ALL_ESTIMATORS),
        "Such as snips,ips:clip=10,dros:shrinkage=slope; the first is what differences are of.",
    )
    reward_model: str = option(
        _LOG.reward_model,
        "For dm and dr: a posterior, ridge, gradient_boosting, none, or module:Class of scikit-learn's interface.",
    )
    split: float = option(_LOG.split, "Share of decisions that policies learn from.")
    floor: float = option(_LOG.floors.floor, "Share spread over all arms, as deployed.")
    new_floor: float = option(
        _LOG.floors.new_floor, f"Share of each arm of under {NEW_ARM_IMPRESSIONS} impressions, as deployed."
    )
    level: float = option(_SETTINGS.level, "Of intervals.")
    resamples: int = option(_SETTINGS.resamples, "Of the quantile of intervals for all together.", min=2)
    weight_bound: float | None = option(
        _SETTINGS.weight_bound,
        "Largest weight that was possible, for Bernstein's intervals and sequences; the log's by default.",
    )
    threshold: list[str] | None = option(
        None, f"What a log has to reach, NAME=VALUE; may be repeated. Names: {', '.join(vars(Thresholds()))}."
    )


@dataclass(frozen=True)
class LogJudgingOptions:
    """How policies are judged on a log; without effect on a world."""

    HELP_PANEL: ClassVar = JudgingOptions.HELP_PANEL

    split_at: str | None = option(
        None, "First day that is not learned from, YYYY-MM-DD, in place of --split; stays where it is as the log grows."
    )
    population: str = option(
        _SETTINGS.population,
        "Whom intervals are about: users like those of the log, where it knows them, or the log itself.",
    )
    reward_range: str | None = option(
        None, "LOW,HIGH: the smallest and the largest possible reward, where they are not 0 and 1."
    )
    replay_batch: int = option(
        _LOG.replay_batch,
        "Let policies learn by replay on a uniform log, updating after so many kept impressions. 0: not.",
        "--replay",
        min=0,
    )
    planned: bool = option(_LOG.planned, "Add the smallest lead that this log can show.", "--plan")
    difference: float | None = option(_LOG.difference, "With --plan: a lead to be found, in reward per impression.")
    explore_share: float = option(_LOG.explore_share, "With --difference: share of users under uniform.")
    impressions_a_day: float | None = option(_LOG.impressions_a_day, "With --difference; those of the log by default.")


@dataclass(frozen=True)
class DelayOptions:
    """The experiment of Chapelle and Li."""

    HELP_PANEL: ClassVar = WORLD_PANEL

    steps: int = option(FULL_STEPS, f"Steps per repetition of {CHAPELLE_LI}.", min=1)
    repetitions: int = option(REPETITIONS, f"Repetitions of {CHAPELLE_LI}.", min=2)
    delays: str = option(DELAYS, f"Delays δ of the feedback of {CHAPELLE_LI}, in steps.")


@dataclass(frozen=True)
class SeasonOptions:
    """Seasons in a world of titles and artworks."""

    HELP_PANEL: ClassVar = WORLD_PANEL

    seeds: int = option(_WORLD.seeds, "Seasons of every policy, each with artworks and visits of its own.", min=1)
    users: int = option(_WORLD.users, "Of a season.", min=2)
    titles: int = option(_WORLD.titles, "Of a season.", min=1)
    days: int = option(_SEASON.days, "Of a season, those under uniform included.")
    explore_days: int = option(_SEASON.explore_days, "First days, under uniform; the live days come after them.")
    cadence_hours: int = option(_SEASON.cadence_hours, "Between two refreshes of posterior and picks.")
    sticky_hours: int = option(_SEASON.sticky_hours, "For which a user keeps a pick; 0: until the next refresh.")
    age_hours: str | None = option(None, "Ages of picks whose cost is measured; 24,48 by default.")
    arrival_day: int | None = option(
        None, "Day, counted from 0, on which new best artworks arrive; after a third of the live days by default."
    )
    arrival_share: float = option(_SEASON.arrival_share, "Share of titles that get one; 0: none.")
    rewards: list[str] | None = option(
        None,
        "Compare rewards instead of policies: words as for artwork run --reward; repeat it. grid: the default, clicks alone and"
        f" {len(GRID) - 2} others. One policy plays them, {USUAL_POLICY} by default.",
    )


def settings_of(judging: JudgingOptions, on_log: LogJudgingOptions, seed: int) -> Settings:
    """How policies are to be judged.

    Raises:
        InputError: a value is not as it should be.
    """
    parsed = {
        "estimators": tuple(filter(None, (word.strip() for word in judging.estimators.split(",")))),
        "seed": seed,
        "reward_range": None if on_log.reward_range is None else _range(on_log.reward_range),
        "thresholds": _thresholds(judging.threshold or []),
    }
    return Settings(**_named(Settings, judging, on_log) | parsed)


def log_request(
    log: LogOptions, judging: JudgingOptions, on_log: LogJudgingOptions, workspace: Path, settings: Settings
) -> Request:
    """What to compare on a log.

    Raises:
        InputError: a value is not as it should be.
    """
    parsed = {
        "workspace": workspace,
        "columns": parse_columns(log.columns),
        "cache": default_cache(),
        "floors": Floors(judging.floor, judging.new_floor),
        "settings": settings,
        "until": _day("--until", log.until),
        "split_at": _day("--split-at", on_log.split_at),
    }
    return Request(**_named(Request, log, judging, on_log) | parsed)


def world_request(world: str, judging: JudgingOptions, asked: SeasonOptions, settings: Settings) -> WorldRequest:
    """What to simulate.

    Raises:
        InputError: a value is not as it should be.
    """
    days, explore_days, cadence = asked.days, asked.explore_days, asked.cadence_hours
    parsed = {
        "age_hours": usual_ages(days, cadence)
        if asked.age_hours is None
        else parse_hours("--age-hours", asked.age_hours),
        "arrival_day": usual_arrival(days, explore_days) if asked.arrival_day is None else asked.arrival_day,
    }
    season = Season(**_named(Season, judging, asked) | parsed)
    return WorldRequest(world=world, season=season, settings=settings, **_named(WorldRequest, judging, asked))


def _named(kind: type[Request | Season | Settings | WorldRequest], *options: object) -> dict[str, Any]:
    """The values of options that a class has a field of the same name for."""
    names = {field.name for field in fields(kind)}
    return {name: value for group in options for name, value in vars(group).items() if name in names}


def _day(flag: str, text: str | None) -> date | None:
    """A day from its text, as the folders of a log are named."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{flag} is {text!r}, expected a day as YYYY-MM-DD") from None


def _range(text: str) -> tuple[float, float]:
    """Both ends of what a reward can be, with a comma between."""
    try:
        low, high = (float(end) for end in text.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not (isfinite(low) and isfinite(high) and low < high):
        raise InputError(
            f"--reward-range is {text!r}, expected the smallest and the largest possible reward, as in 0,250"
        )
    return low, high


def _thresholds(words: list[str]) -> Thresholds:
    """Thresholds from ``name=value`` words; those not named keep their defaults."""
    given: dict[str, float] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in vars(Thresholds()):
            raise InputError(f"there is no threshold {name!r}; choose one of {', '.join(vars(Thresholds()))}")
        try:
            given[name] = float(value)
        except ValueError:
            raise InputError(f"the threshold {name} is {value!r}, expected a number, as in {name}=0.1") from None
    return Thresholds(**given)
