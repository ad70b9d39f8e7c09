"""The options of ``artwork compare`` by what they have an effect on, and what they ask for."""

from dataclasses import dataclass, fields
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import typer

from artwork.compare.delays import DELAYS, REPETITIONS
from artwork.compare.world import MOVIELENS, SCENES, WorldRequest
from artwork.compare.world_words import parse_hours, usual_ages, usual_arrival
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

    log: Annotated[
        str,
        typer.Option(
            help=f"{WORKSPACE} (the workspace's own impressions), {NAMES[0]} and its like, or a file, folder or glob: Parquet,"
            " CSV, JSON lines."
        ),
    ] = _LOG.log
    source: Annotated[
        Path | None, typer.Option("--from", help="The full Open Bandit Dataset: folder, zip or CSV file.")
    ] = _LOG.source
    columns: Annotated[
        str,
        typer.Option(
            help=f"Columns of a file, role=column: action=item,reward=bought,context=age+x_*. Roles: {', '.join(KNOWN)}."
        ),
    ] = _LOG.columns.text
    time_format: Annotated[
        str | None,
        typer.Option(
            help=f"How a file's times are written: as for strptime, such as '%d.%m.%Y %H:%M', or {', '.join(EPOCHS)}."
        ),
    ] = _LOG.time_format
    missing: Annotated[
        str,
        typer.Option(help=f"Where a context of a file has no value: {REFUSE} it, or put its {MEAN} over the log."),
    ] = _LOG.missing
    reward: Annotated[str, typer.Option(help="What counts in a workspace's log, as for artwork train.")] = _LOG.reward
    until: Annotated[
        str | None,
        typer.Option(
            help="Last day of a workspace's log to learn from and judge by, YYYY-MM-DD; what was live later is told beside it."
        ),
    ] = None


@dataclass(frozen=True)
class JudgingOptions:
    """How policies are judged, on a log and in a world."""

    HELP_PANEL: ClassVar = "How it is judged"

    policies: Annotated[
        str,
        typer.Option(
            help=f"Words as for artwork run, table:FILE (columns arm, probability), or module:Class; {LOGGING} is always there."
        ),
    ] = _LOG.policies
    posterior: Annotated[
        str, typer.Option(help="What they learn with: beta, linear, logistic, shared. In a world several.")
    ] = _LOG.posterior
    estimators: Annotated[
        str,
        typer.Option(help="Such as snips,ips:clip=10,dros:shrinkage=slope; the first is what differences are of."),
    ] = ",".join(ALL_ESTIMATORS)
    reward_model: Annotated[
        str,
        typer.Option(
            help="For dm and dr: a posterior, ridge, gradient_boosting, none, or module:Class of scikit-learn's interface."
        ),
    ] = _LOG.reward_model
    split: Annotated[float, typer.Option(help="Share of decisions that policies learn from.")] = _LOG.split
    floor: Annotated[float, typer.Option(help="Share spread over all arms, as deployed.")] = _LOG.floors.floor
    new_floor: Annotated[
        float, typer.Option(help=f"Share of each arm of under {NEW_ARM_IMPRESSIONS} impressions, as deployed.")
    ] = _LOG.floors.new_floor
    level: Annotated[float, typer.Option(help="Of intervals.")] = _SETTINGS.level
    resamples: Annotated[int, typer.Option(min=2, help="Of the quantile of intervals for all together.")] = (
        _SETTINGS.resamples
    )
    weight_bound: Annotated[
        float | None,
        typer.Option(
            help="Largest weight that was possible, for Bernstein's intervals and sequences; the log's by default."
        ),
    ] = _SETTINGS.weight_bound
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            help=f"What a log has to reach, NAME=VALUE; may be repeated. Names: {', '.join(vars(Thresholds()))}."
        ),
    ] = None


@dataclass(frozen=True)
class LogJudgingOptions:
    """How policies are judged on a log; without effect on a world."""

    HELP_PANEL: ClassVar = JudgingOptions.HELP_PANEL

    split_at: Annotated[
        str | None,
        typer.Option(
            help="First day that is not learned from, YYYY-MM-DD, in place of --split; stays where it is as the log grows."
        ),
    ] = None
    population: Annotated[
        str,
        typer.Option(
            help="Whom intervals are about: users like those of the log, where it knows them, or the log itself."
        ),
    ] = _SETTINGS.population
    reward_range: Annotated[
        str | None,
        typer.Option(help="LOW,HIGH: the smallest and the largest possible reward, where they are not 0 and 1."),
    ] = None
    replay_batch: Annotated[
        int,
        typer.Option(
            "--replay",
            min=0,
            help="Let policies learn by replay on a uniform log, updating after so many kept impressions. 0: not.",
        ),
    ] = _LOG.replay_batch
    planned: Annotated[bool, typer.Option("--plan", help="Add the smallest lead that this log can show.")] = (
        _LOG.planned
    )
    difference: Annotated[
        float | None, typer.Option(help="With --plan: a lead to be found, in reward per impression.")
    ] = _LOG.difference
    explore_share: Annotated[float, typer.Option(help="With --difference: share of users under uniform.")] = (
        _LOG.explore_share
    )
    impressions_a_day: Annotated[float | None, typer.Option(help="With --difference; those of the log by default.")] = (
        _LOG.impressions_a_day
    )


@dataclass(frozen=True)
class DelayOptions:
    """The experiment of Chapelle and Li."""

    HELP_PANEL: ClassVar = WORLD_PANEL

    steps: Annotated[int, typer.Option(min=1, help=f"Steps per repetition of {CHAPELLE_LI}.")] = FULL_STEPS
    repetitions: Annotated[int, typer.Option(min=2, help=f"Repetitions of {CHAPELLE_LI}.")] = REPETITIONS
    delays: Annotated[str, typer.Option(help=f"Delays δ of the feedback of {CHAPELLE_LI}, in steps.")] = DELAYS


@dataclass(frozen=True)
class SeasonOptions:
    """Seasons in a world of titles and artworks."""

    HELP_PANEL: ClassVar = WORLD_PANEL

    seeds: Annotated[
        int, typer.Option(min=1, help="Seasons of every policy, each with artworks and visits of its own.")
    ] = _WORLD.seeds
    users: Annotated[int, typer.Option(min=2, help="Of a season.")] = _WORLD.users
    titles: Annotated[int, typer.Option(min=1, help="Of a season.")] = _WORLD.titles
    days: Annotated[int, typer.Option(help="Of a season, those under uniform included.")] = _SEASON.days
    explore_days: Annotated[int, typer.Option(help="First days, under uniform; the live days come after them.")] = (
        _SEASON.explore_days
    )
    cadence_hours: Annotated[int, typer.Option(help="Between two refreshes of posterior and picks.")] = (
        _SEASON.cadence_hours
    )
    sticky_hours: Annotated[int, typer.Option(help="For which a user keeps a pick; 0: until the next refresh.")] = (
        _SEASON.sticky_hours
    )
    age_hours: Annotated[str | None, typer.Option(help="Ages of picks whose cost is measured; 24,48 by default.")] = (
        None
    )
    arrival_day: Annotated[
        int | None,
        typer.Option(
            help="Day, counted from 0, on which new best artworks arrive; after a third of the live days by default."
        ),
    ] = None
    arrival_share: Annotated[float, typer.Option(help="Share of titles that get one; 0: none.")] = _SEASON.arrival_share


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
