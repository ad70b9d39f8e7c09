"""``artwork bench``: how fast this machine does it, beside other libraries."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from artwork.bench.kernels.results import Setting
from artwork.bench.kernels.run import run
from artwork.bench.kernels.table import render
from artwork.bench.rivals import find_rivals
from artwork.bench.targets import WrongAnswerError
from artwork.bench.timing import Pace
from artwork.console.options import JsonOption
from artwork.console.output import EXIT_FAILED_CHECK, check_page, emit, errors, progress_bars
from bandit.errors import InputError

app = typer.Typer(
    name="bench",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Measure the parts on this machine, beside other libraries.",
)


@app.command("kernels")
def kernels_command(
    repeats: Annotated[int, typer.Option(min=1, help="Pairs of runs per figure; the median is shown.")] = Pace.repeats,
    seconds: Annotated[float, typer.Option(min=0.001, help="How long each run lasts at least.")] = Pace.seconds,
    as_json: JsonOption = False,
) -> None:
    """Time choosing and learning on one core: exit 0 if the required ratios are reached, 1 if one is missed.

    Every answer is checked against an independent one before it is timed. Other libraries (pip install -r
    requirements/bench.txt) get the same impressions and contexts, run in turn with ours; none of them gives propensities.

    Example: artwork bench kernels --repeats 5 --json
    """
    setting = Setting(pace=Pace(repeats, seconds), rivals=find_rivals())
    with _right_answers(), progress_bars() as progress:
        report = run(setting, progress)
    emit(report, render, as_json=as_json)
    _exit(report.passed)


@app.command("faults")
def faults_command(
    fault: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    rate: Annotated[float, typer.Option(min=1, help="Single look-ups per second.")] = 2000,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each fault lasts.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Break the store of a service under load: exit 0 if p99 stays under 5 ms and nothing is lost, 1 if not.

    Every fault (none, killed, frozen, slow, paused, restarted, out of memory, publish, flips) has a Valkey, a service of one
    worker and an open-loop client of its own. Shown is what was due while the fault was there.

    Example: artwork bench faults --fault killed --fault frozen --seconds 10
    """
    # Imported here: the other benches do without a store and a client.
    from artwork.bench.faults.faults import chosen  # noqa: PLC0415
    from artwork.bench.faults.report import render as render_faults  # noqa: PLC0415
    from artwork.bench.faults.run import Plan  # noqa: PLC0415
    from artwork.bench.faults.run import run as run_faults  # noqa: PLC0415

    faults = chosen(fault)
    with progress_bars() as progress:
        report = run_faults(Plan(rate, seconds), faults, progress)
    emit(report, render_faults, as_json=as_json)
    _exit(report.passed)


@app.command("serving")
def serving_command(
    rounds: Annotated[int, typer.Option(min=1, help="Turns of all servers; medians are shown.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long a highest rate has to hold.")] = 12,
    against: Annotated[
        Path | None, typer.Option(help="A checkout of another commit: its service is measured in the same turns.")
    ] = None,
    servers: Annotated[
        bool,
        typer.Option(
            "--servers", help="Also the look-up below a bare ASGI application on uvicorn, granian, fastpysgi."
        ),
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Everything once and short; the figures are noise.")] = False,
    html: Annotated[Path, typer.Option("--report", help="HTML report.")] = Path("reports/serving.html"),
    as_json: JsonOption = False,
) -> None:
    """Measure the look-up service beside others on the same store and rows: exit 0 if the targets are reached, 1 if not.

    A naive FastAPI service, FastAPI alone, webdis where it is installed, and this service, one worker each on a core of its own;
    store and driver share the other. Closed loop by wrk where it is installed, open loop, overload, broken stores, start, memory.

    Example: artwork bench serving --against ../before
    """
    # Imported here: the other benches do without servers and reports.
    from artwork.bench.serving.html import rendered  # noqa: PLC0415
    from artwork.bench.serving.other_tree import OtherTree  # noqa: PLC0415
    from artwork.bench.serving.plan import Plan  # noqa: PLC0415
    from artwork.bench.serving.run import run as run_serving  # noqa: PLC0415
    from artwork.bench.serving.table import render as render_serving  # noqa: PLC0415
    from artwork.reports.pages import write_page  # noqa: PLC0415

    plan = Plan.quick() if quick else Plan(rounds=rounds, seconds=seconds)
    other_tree = OtherTree.at(against) if against else None
    with _right_answers(), progress_bars() as progress:
        report = run_serving(plan, progress, other_tree, servers=servers)
    write_page(html, rendered(report))
    emit(report, render_serving, as_json=as_json)
    errors.print(f"curves and tables: {html}", markup=False)
    _exit(report.passed)


@app.command("events")
def events_command(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of everything; medians are shown.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.2, help="How long events are posted in a round.")] = 10,
    impressions: Annotated[
        int, typer.Option(min=100, help="Of the join; fewer than 10,000,000 are not judged.")
    ] = 10_000_000,
    part: Annotated[list[str] | None, typer.Option(help="Only this one, post or join; may be repeated.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Everything once and short; the figures are noise.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how events are taken, ingested and joined: exit 0 if the targets are reached, 1 if not.

    Events are posted in batches of 100 beside 5,000 look-ups/s; one service worker has a core, store, driver and client share
    the other. `artwork ingest` has to find exactly the events that were accepted. `artwork join` works on a drawn week of true
    answers, of which 5 % came twice and some stand in the place of retired artworks.

    Example: artwork bench events --rounds 1 --impressions 1000000
    """
    # Imported here: the other benches do without a service and jobs.
    from artwork.bench.events.results import Plan  # noqa: PLC0415
    from artwork.bench.events.run import chosen_parts  # noqa: PLC0415
    from artwork.bench.events.run import run as run_events  # noqa: PLC0415
    from artwork.bench.events.table import render as render_events  # noqa: PLC0415

    parts = chosen_parts(part)
    plan = Plan.quick() if quick else Plan(rounds=rounds, seconds=seconds, impressions=impressions)
    with _right_answers(), progress_bars() as progress:
        report = run_events(plan, parts, progress)
    emit(report, render_events, as_json=as_json)
    _exit(report.passed)


@app.command("job")
def job_command(
    users: Annotated[
        int,
        typer.Option(
            min=100, help="Of the largest workspace; seconds and memory of fewer than 1,000,000 are not judged."
        ),
    ] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of writing rows, beside a raw writer.")] = 3,
    titles: Annotated[
        int, typer.Option(min=1, max=65_536, help="Of the catalogue; only jobs of 100 titles are judged.")
    ] = 100,
    picks_per_user: Annotated[
        int | None, typer.Option(min=1, help="Titles of each user's shortlist, drawn at random; by default all.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Everything small; the figures are noise.")] = False,
    html: Annotated[Path, typer.Option("--report", help="HTML report.")] = Path("reports/job.html"),
    as_json: JsonOption = False,
) -> None:
    """Measure train, precompute and publish on drawn users: exit 0 if the targets are reached, 1 if not.

    A hundredth, a tenth and all of the users, each with 100 titles of 10 artworks and a week of impressions: seconds, CPU and
    memory by stage, rows per second beside a raw writer, and bytes per pick in every row format and server that is installed.

    Example: artwork bench job --users 100000
    """
    # Imported here: the other benches do without a store and jobs.
    from artwork.bench.job.html import rendered  # noqa: PLC0415
    from artwork.bench.job.results import Plan  # noqa: PLC0415
    from artwork.bench.job.run import run as run_job  # noqa: PLC0415
    from artwork.bench.job.table import render as render_job  # noqa: PLC0415
    from artwork.reports.pages import write_page  # noqa: PLC0415

    check_page(html)
    if picks_per_user is not None and picks_per_user >= titles:
        raise InputError(
            f"--picks-per-user is {picks_per_user} of {titles} titles, expected fewer; leave it out for a pick of every title"
        )
    own = Plan.quick() if quick else Plan(users=users, rounds=rounds)
    with _right_answers(), progress_bars() as progress:
        report = run_job(replace(own, titles=titles, picks=picks_per_user), progress)
    write_page(html, rendered(report))
    emit(report, render_job, as_json=as_json)
    errors.print(f"pictures and tables: {html}", markup=False)
    _exit(report.passed)


@app.command("cluster")
def cluster_command(
    rounds: Annotated[int, typer.Option(min=1, help="Turns of both sides; medians are shown.")] = 7,
    seconds: Annotated[float, typer.Option(min=1, help="How long look-ups are asked for in a round.")] = 3,
    rows: Annotated[int, typer.Option(min=100, help="That are written in a round.")] = 100_000,
    quick: Annotated[bool, typer.Option("--quick", help="Everything once and small; the figures are noise.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure publishing to a cluster of three nodes, and looking up in it: exit 0 if the targets are reached, 1 if not.

    Rows per second beside a writer that only sends commands made before, on one connection per node; look-ups per second of a
    service beside one that reads from a single store. By turns, all stores on one core.

    Example: artwork bench cluster --rounds 3
    """
    # Imported here: the other benches do without a store and a service.
    from artwork.bench.cluster.results import Plan  # noqa: PLC0415
    from artwork.bench.cluster.run import run as run_cluster  # noqa: PLC0415
    from artwork.bench.cluster.table import render as render_cluster  # noqa: PLC0415

    plan = Plan.quick() if quick else Plan(rows=rows, rounds=rounds, seconds=seconds)
    with _right_answers(), progress_bars() as progress:
        report = run_cluster(plan, progress)
    emit(report, render_cluster, as_json=as_json)
    _exit(report.passed)


@app.command("evaluation")
def evaluation_command(
    replicates: Annotated[
        int, typer.Option(min=0, help="Simulated logs of each kind that intervals are tried on; 0 times alone.")
    ] = 4000,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of the small comparison; the median is shown.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Time comparing policies offline, and try how often its intervals hold the truth: exit 0 if all is as required, 1 if not.

    Five policies, all estimators and 1,000 resamples on drawn logs of 10,000 and 1,000,000 impressions; then coverage of every
    interval of every estimator in a small world where the truth is known.

    Example: artwork bench evaluation --replicates 400
    """
    # Imported here: the other benches do without.
    from artwork.bench.evaluation.run import run as run_evaluation  # noqa: PLC0415
    from artwork.bench.evaluation.table import render as render_evaluation  # noqa: PLC0415

    with progress_bars() as progress:
        report = run_evaluation(replicates, repeats, progress)
    emit(report, render_evaluation, as_json=as_json)
    _exit(report.passed)


@contextmanager
def _right_answers() -> Iterator[None]:
    """End the command where a part gives wrong answers."""
    try:
        yield
    except WrongAnswerError as error:
        errors.print(f"failed, nothing more is timed: {error}", markup=False)
        raise typer.Exit(EXIT_FAILED_CHECK) from None


def _exit(passed: bool) -> NoReturn:
    raise typer.Exit(0 if passed else EXIT_FAILED_CHECK)
