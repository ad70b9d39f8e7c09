"""``artwork compare``: policies against each other, on a log or in a world with known truth."""

from datetime import date
from math import isfinite
from pathlib import Path
from typing import Annotated, Final

import typer

from artwork.compare.world import SEEDS, TITLES, USERS, WorldRequest, compare_world
from artwork.compare.world_words import parse_hours, usual_ages, usual_arrival
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, SeedOption, WorkspaceOption
from artwork.console.output import check_page, emit, errors, progress_bars
from bandit.deploying import Floors
from bandit.errors import InputError
from bandit.evaluation.estimate import LEVEL, RESAMPLES
from bandit.evaluation.overlap import Thresholds
from bandit.evaluation.results import ALL_ESTIMATORS, Settings
from bandit.evaluation.results import USERS as LIKE_USERS
from bandit.evaluation.targets import LOGGING
from bandit.policies.deciding import FLOOR, NEW_ARM_IMPRESSIONS, NEW_FLOOR
from bandit.posterior.registry import POSTERIORS
from bandit.simulation.seasons.season import Season
from bandit.simulation.studies.delay_table import FULL_STEPS
from batch.datasets.wheels import default_cache
from batch.logs.cells import EPOCHS
from batch.logs.columns import KNOWN, parse_columns
from batch.logs.contexts import MEAN, REFUSE
from batch.logs.open_bandit import NAMES
from batch.logs.workspace_log import WORKSPACE
from batch.offline.compare import DEFAULT_POLICIES, EXPLORE_SHARE, Request, compare

CHAPELLE_LI: Final = "chapelle-li"
WORLDS: Final = ("movielens", "synthetic", CHAPELLE_LI)
EXIT_WANTING: Final = 1

_OF_LOGS: Final = frozenset((
    "log", "source", "columns", "time_format", "missing", "reward", "until", "replay", "plan", "difference", "explore_share",
    "impressions_a_day", "split_at", "population", "reward_range",
))  # fmt: skip
_OF_DELAYS: Final = frozenset(("steps", "repetitions", "delays"))
_OF_SEASONS: Final = frozenset((
    "seeds", "users", "titles", "days", "explore_days", "cadence_hours", "sticky_hours", "age_hours", "arrival_day",
    "arrival_share",
))  # fmt: skip
"""Parameters that have an effect on one kind of comparison alone."""

_LOG, _JUDGING, _WORLD, _OUTPUT = "The log", "How it is judged", "Simulated worlds (--world)", "Output"


def register(app: typer.Typer) -> None:
    """Put ``artwork compare`` on the application."""
    app.command("compare")(compare_command)


def compare_command(
    context: typer.Context,
    log: Annotated[
        str,
        typer.Option(
            help=f"{WORKSPACE} (the workspace's own impressions), {NAMES[0]} and its like, or a file, folder or glob: Parquet,"
            " CSV, JSON lines.",
            rich_help_panel=_LOG,
        ),
    ] = WORKSPACE,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="The full Open Bandit Dataset: folder, zip or CSV file.", rich_help_panel=_LOG),
    ] = None,
    columns: Annotated[
        str,
        typer.Option(
            help=f"Columns of a file, role=column: action=item,reward=bought,context=age+x_*. Roles: {', '.join(KNOWN)}.",
            rich_help_panel=_LOG,
        ),
    ] = "",
    time_format: Annotated[
        str | None,
        typer.Option(
            help=f"How a file's times are written: as for strptime, such as '%d.%m.%Y %H:%M', or {', '.join(EPOCHS)}.",
            rich_help_panel=_LOG,
        ),
    ] = None,
    missing: Annotated[
        str,
        typer.Option(
            help=f"Where a context of a file has no value: {REFUSE} it, or put its {MEAN} over the log.",
            rich_help_panel=_LOG,
        ),
    ] = REFUSE,
    reward: Annotated[
        str, typer.Option(help="What counts in a workspace's log, as for artwork train.", rich_help_panel=_LOG)
    ] = "take",
    until: Annotated[
        str | None,
        typer.Option(
            help="Last day of a workspace's log to learn from and judge by, YYYY-MM-DD; what was live later is told beside it.",
            rich_help_panel=_LOG,
        ),
    ] = None,
    policies: Annotated[
        str,
        typer.Option(
            help=f"Words as for artwork run, table:FILE (columns arm, probability), or module:Class; {LOGGING} is always there.",
            rich_help_panel=_JUDGING,
        ),
    ] = DEFAULT_POLICIES,
    posterior: Annotated[
        str,
        typer.Option(
            help=f"What they learn with: {', '.join(POSTERIORS)}. In a world several.", rich_help_panel=_JUDGING
        ),
    ] = "linear",
    estimators: Annotated[
        str,
        typer.Option(
            help="Such as snips,ips:clip=10,dros:shrinkage=slope; the first is what differences are of.",
            rich_help_panel=_JUDGING,
        ),
    ] = ",".join(ALL_ESTIMATORS),
    reward_model: Annotated[
        str,
        typer.Option(
            help="For dm and dr: a posterior, ridge, gradient_boosting, none, or module:Class of scikit-learn's interface.",
            rich_help_panel=_JUDGING,
        ),
    ] = "linear",
    split: Annotated[
        float, typer.Option(help="Share of decisions that policies learn from.", rich_help_panel=_JUDGING)
    ] = 0.5,
    split_at: Annotated[
        str | None,
        typer.Option(
            help="First day that is not learned from, YYYY-MM-DD, in place of --split; stays where it is as the log grows.",
            rich_help_panel=_JUDGING,
        ),
    ] = None,
    population: Annotated[
        str,
        typer.Option(
            help="Whom intervals are about: users like those of the log, where it knows them, or the log itself.",
            rich_help_panel=_JUDGING,
        ),
    ] = LIKE_USERS,
    reward_range: Annotated[
        str | None,
        typer.Option(
            help="LOW,HIGH: the smallest and the largest possible reward, where they are not 0 and 1.",
            rich_help_panel=_JUDGING,
        ),
    ] = None,
    floor: Annotated[
        float, typer.Option(help="Share spread over all arms, as deployed.", rich_help_panel=_JUDGING)
    ] = FLOOR,
    new_floor: Annotated[
        float,
        typer.Option(
            help=f"Share of each arm of under {NEW_ARM_IMPRESSIONS} impressions, as deployed.", rich_help_panel=_JUDGING
        ),
    ] = NEW_FLOOR,
    replay: Annotated[
        int,
        typer.Option(
            min=0,
            help="Let policies learn by replay on a uniform log, updating after so many kept impressions. 0: not.",
            rich_help_panel=_JUDGING,
        ),
    ] = 0,
    level: Annotated[float, typer.Option(help="Of intervals.", rich_help_panel=_JUDGING)] = LEVEL,
    resamples: Annotated[
        int, typer.Option(min=2, help="Of the quantile of intervals for all together.", rich_help_panel=_JUDGING)
    ] = RESAMPLES,
    weight_bound: Annotated[
        float | None,
        typer.Option(
            help="Largest weight that was possible, for Bernstein's intervals and sequences; the log's by default.",
            rich_help_panel=_JUDGING,
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            help=f"What a log has to reach, NAME=VALUE; may be repeated. Names: {', '.join(vars(Thresholds()))}.",
            rich_help_panel=_JUDGING,
        ),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Add the smallest lead that this log can show.", rich_help_panel=_JUDGING),
    ] = False,
    difference: Annotated[
        float | None,
        typer.Option(help="With --plan: a lead to be found, in reward an impression.", rich_help_panel=_JUDGING),
    ] = None,
    explore_share: Annotated[
        float, typer.Option(help="With --difference: share of users under uniform.", rich_help_panel=_JUDGING)
    ] = EXPLORE_SHARE,
    impressions_a_day: Annotated[
        float | None, typer.Option(help="With --difference; those of the log by default.", rich_help_panel=_JUDGING)
    ] = None,
    world: Annotated[
        str | None,
        typer.Option(
            help=f"Simulate instead: {', '.join(WORLDS)}. Defaults take about two minutes on two cores.",
            rich_help_panel=_WORLD,
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help=f"Steps a repetition of {CHAPELLE_LI}.", rich_help_panel=_WORLD)
    ] = FULL_STEPS,
    repetitions: Annotated[
        int, typer.Option(min=2, help=f"Repetitions of {CHAPELLE_LI}.", rich_help_panel=_WORLD)
    ] = 100,
    delays: Annotated[
        str, typer.Option(help=f"Delays δ of the feedback of {CHAPELLE_LI}, in steps.", rich_help_panel=_WORLD)
    ] = "1,10,100,1000",
    seeds: Annotated[
        int,
        typer.Option(
            min=1, help="Seasons of every policy, each with artworks and visits of its own.", rich_help_panel=_WORLD
        ),
    ] = SEEDS,
    users: Annotated[int, typer.Option(min=2, help="Of a season.", rich_help_panel=_WORLD)] = USERS,
    titles: Annotated[int, typer.Option(min=1, help="Of a season.", rich_help_panel=_WORLD)] = TITLES,
    days: Annotated[int, typer.Option(help="Of a season, those under uniform included.", rich_help_panel=_WORLD)] = 14,
    explore_days: Annotated[
        int, typer.Option(help="First days, under uniform; the live days come after them.", rich_help_panel=_WORLD)
    ] = 4,
    cadence_hours: Annotated[
        int, typer.Option(help="Between two refreshes of posterior and picks.", rich_help_panel=_WORLD)
    ] = 24,
    sticky_hours: Annotated[
        int, typer.Option(help="For which a user keeps a pick; 0: until the next refresh.", rich_help_panel=_WORLD)
    ] = 0,
    age_hours: Annotated[
        str | None,
        typer.Option(help="Ages of picks whose cost is measured; 24,48 by default.", rich_help_panel=_WORLD),
    ] = None,
    arrival_day: Annotated[
        int | None,
        typer.Option(
            help="Day, counted from 0, on which new best artworks arrive; after a third of the live days by default.",
            rich_help_panel=_WORLD,
        ),
    ] = None,
    arrival_share: Annotated[
        float, typer.Option(help="Share of titles that get one; 0: none.", rich_help_panel=_WORLD)
    ] = 0.2,
    seed: SeedOption = 0,
    report: Annotated[Path, typer.Option(help="HTML report.", rich_help_panel=_OUTPUT)] = Path("reports/compare.html"),
    as_json: JsonOption = False,
) -> None:
    """Compare policies: what each would have come to on a log, how sure that is, and when the log cannot tell.

    With --world instead where the truth is known. Exit 0 done, 1 found wanting: the log can judge none of the policies.

    Example: artwork compare --log open-bandit/random/all --policies uniform,popularity,thompson

    Example: artwork compare --world movielens --posterior linear,beta --cadence-hours 6
    """
    if world is not None and world not in WORLDS:
        raise InputError(f"there is no world {world!r}; choose one of {', '.join(WORLDS)}")
    _refuse_unused(context, world)
    check_page(report)
    settings = Settings(
        estimators=tuple(filter(None, (word.strip() for word in estimators.split(",")))),
        level=level,
        resamples=resamples,
        seed=seed,
        weight_bound=weight_bound,
        population=population,
        reward_range=None if reward_range is None else parse_range(reward_range),
        thresholds=parse_thresholds(threshold or []),
    )
    if world is not None:
        if world == CHAPELLE_LI:
            _compare_delays(steps, repetitions, delays, seed, as_json)
            return
        _compare_world(
            WorldRequest(
                world=world,
                policies=policies,
                posterior=posterior,
                seeds=seeds,
                users=users,
                titles=titles,
                season=Season(
                    days=days,
                    explore_days=explore_days,
                    cadence_hours=cadence_hours,
                    sticky_hours=sticky_hours,
                    age_hours=usual_ages(days, cadence_hours)
                    if age_hours is None
                    else parse_hours("--age-hours", age_hours),
                    arrival_day=usual_arrival(days, explore_days) if arrival_day is None else arrival_day,
                    arrival_share=arrival_share,
                    floor=floor,
                    new_floor=new_floor,
                ),
                split=split,
                reward_model=reward_model,
                settings=settings,
            ),
            report,
            as_json,
        )
        return
    request = Request(
        log=log,
        workspace=workspace,
        source=source,
        columns=parse_columns(columns),
        time_format=time_format,
        missing=missing,
        cache=default_cache(),
        policies=policies,
        posterior=posterior,
        reward=reward,
        reward_model=reward_model,
        split=split,
        floors=Floors(floor, new_floor),
        replay_batch=replay,
        planned=plan,
        difference=difference,
        explore_share=explore_share,
        impressions_a_day=impressions_a_day,
        settings=settings,
        until=None if until is None else parse_day("--until", until),
        split_at=None if split_at is None else parse_day("--split-at", split_at),
    )
    _compare_log(request, report, as_json)


def _refuse_unused(context: typer.Context, world: str | None) -> None:
    """Refuse options without effect on what is compared: they would be taken to have had one."""
    unused = (
        _OF_DELAYS | _OF_SEASONS if world is None else _OF_LOGS | (_OF_SEASONS if world == CHAPELLE_LI else _OF_DELAYS)
    )
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name) if parameter.name in unused else None
        if source is not None and source.name == "COMMANDLINE":
            what = "a log" if world is None else f"--world {world}"
            raise InputError(f"{parameter.opts[0]} has no effect on a comparison by {what}; leave it out")


def _compare_log(request: Request, path: Path, as_json: bool) -> None:
    # Imported here: the simulated worlds do without.
    from artwork.reports.log_page import write  # noqa: PLC0415
    from artwork.reports.log_text import render  # noqa: PLC0415

    with progress_bars() as progress:
        made = compare(request, progress)
    emit(made, render, as_json=as_json)  # before the page, which may find the disk full
    write(made, request, path)
    errors.print(f"values, differences and pictures: {path}", markup=False)
    others = made.evaluation.results[1:]
    if others and not any(result.is_reliable for result in others):
        raise typer.Exit(EXIT_WANTING)


def _compare_world(request: WorldRequest, path: Path, as_json: bool) -> None:
    from artwork.reports.world_page import write  # noqa: PLC0415
    from artwork.reports.world_text import render  # noqa: PLC0415

    with progress_bars() as progress:
        made = compare_world(request, progress)
    emit(made, render, as_json=as_json)
    write(made, request, path)
    errors.print(f"curves, estimators and every figure: {path}", markup=False)


def _compare_delays(steps: int, repetitions: int, delays: str, seed: int, as_json: bool) -> None:
    from artwork.compare.chapelle_li import compare_delays, render_compared  # noqa: PLC0415

    with progress_bars() as progress:
        made = compare_delays(steps, repetitions, delays, seed, progress)
    emit(made, render_compared, as_json=as_json)
    if made.comparison.wanting:
        raise typer.Exit(EXIT_WANTING)


def parse_day(flag: str, text: str) -> date:
    """A day from its text, as the folders of a log are named.

    Raises:
        InputError: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{flag} is {text!r}, expected a day as YYYY-MM-DD") from None


def parse_range(text: str) -> tuple[float, float]:
    """Both ends of what a reward can be, with a comma between.

    Raises:
        InputError: there are not two ascending numbers.
    """
    try:
        low, high = (float(end) for end in text.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not (isfinite(low) and isfinite(high) and low < high):
        raise InputError(
            f"--reward-range is {text!r}, expected the smallest and the largest possible reward, as in 0,250"
        )
    return low, high


def parse_thresholds(words: list[str]) -> Thresholds:
    """Thresholds from ``name=value`` words; those not named keep their defaults.

    Raises:
        InputError: a name is not known, or a value is no number of at least 0.
    """
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
