"""The whole job: ingest, join, train, precompute, publish, once or on a schedule."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bandit.errors import CheckError, InputError, SurroundingsError
from batch.choosing.precompute import Precomputed, precompute
from batch.config import Config
from batch.datasets.refreshing import KEPT, Refreshed, refresh_contexts
from batch.events.arrivals import JoinSettings
from batch.events.ingest import AlreadyIngestingError, Ingested, ingest
from batch.events.join import Joined, join
from batch.executors import Executor, Progress
from batch.experiments.gated.gate import Gated
from batch.experiments.gated.standing import Standing
from batch.learning.train import Trained, train
from batch.publishing.publish import Published, publish, served_from
from batch.store.client import connect, store_errors
from batch.workspace.files import write_json
from batch.workspace.lock import only_job
from batch.workspace.workspace import Workspace

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_SECONDS = 366 * 86400


@dataclass(frozen=True)
class Ran:
    """What one run of the whole job made; ``gated`` is where the gate stands that it passed, if it passed one."""

    ingested: Ingested
    joined: Joined
    refreshed: Refreshed
    trained: Trained
    precomputed: Precomputed
    published: Published
    seconds: float
    gated: Standing | None = None


def run(
    workspace: Workspace,
    config: Config,
    executor: Executor,
    url: str,
    report: Progress,
    *,
    shard_size: int,
    events_url: str | None = None,
    joining: JoinSettings | None = None,
    refresh: bool = True,
    verify: bool = False,
    force: bool = False,
    most_mb_a_second: float | None = None,
    writers: int = 1,
    row_format: int | None = None,
    experiments: Mapping[str, str] | None = None,
    gate: Callable[[], Gated] | None = None,
) -> Ran:
    """Collect what clients posted, then train, precompute and publish one generation, which comes after the one served.

    ``events_url`` is that of the store of events, where it is not that of rows. With ``refresh``, users who have played get
    contexts that say so, where contexts were made by ``batch.datasets``. ``row_format`` is the number of
    the format of rows; None is the smallest that the catalogue fits. ``writers`` tasks of the executor publish at a time; 1 is
    this process. ``experiments`` are the digests of the plans that the
    generation is made under, by name. ``gate`` is asked once everything is joined, and says in the place of ``config`` and
    ``experiments`` how to choose. What another process takes out of the streams
    meanwhile (``artwork ingest --follow``) is learned as far as it has come.

    Raises:
        InputError, SurroundingsError: as the three stages; or another job is at work in the workspace.
        RefusedError: the gate refuses the generation; the one before serves on.
    """
    began = time.perf_counter()
    client = connect(url)
    with only_job(workspace, "run"):
        with store_errors(url):
            parent = served_from(workspace, client)
        try:
            ingested = ingest(workspace, events_url or url, report)
        except AlreadyIngestingError:
            ingested = Ingested()
        joined = join(workspace, executor, report, settings=joining)
        gated = None if gate is None else gate()
        if gated is not None:
            config, experiments = gated.config, gated.experiments
        refreshed = refresh_contexts(workspace) if refresh else Refreshed(0, 0, KEPT)
        trained = train(
            workspace,
            config,
            executor,
            report,
            shard_size=shard_size,
            parent=parent,
            verify=verify,
            row_format=row_format,
            experiments=experiments,
        )
        precomputed = precompute(workspace, trained.generation, executor, report, shard_size=shard_size)
        published = publish(
            workspace,
            trained.generation,
            client,
            url,
            report,
            force=force,
            most_mb_a_second=most_mb_a_second,
            executor=executor,
            writers=writers,
        )
    seconds = round(time.perf_counter() - began, 3)
    stands = None if gated is None else gated.standing
    return Ran(ingested, joined, refreshed, trained, precomputed, published, seconds, stands)


def run_every(
    seconds: float,
    workspace: Workspace,
    cycle: Callable[[], object],
    failed: Callable[[str], object],
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Run a cycle again and again, from start to start ``seconds`` apart, until the process is stopped.

    A store or disk that fails, or a generation that the gate refuses, costs one cycle, not the job; wrong input ends it.
    ``heartbeat`` in the workspace says how the last one went.

    Raises:
        InputError: a cycle met wrong input, which the next one would meet again.
    """
    while True:
        began = time.monotonic()
        try:
            _beat(workspace, "running")
            cycle()
            _beat(workspace, "done")
        except (SurroundingsError, CheckError) as error:
            failed(str(error))
            _beat_failed(workspace)
        except InputError:
            _beat_failed(workspace)
            raise
        sleep(max(0.0, seconds - (time.monotonic() - began)))


def parse_duration(text: str) -> float:
    """Seconds of a duration such as 30s, 15m, 1h or 1d.

    Raises:
        InputError: it is not one.

    >>> parse_duration("15m")
    900.0
    """
    number, unit = text[:-1], text[-1:]
    try:
        seconds = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        seconds = 0.0
    if not 1 <= seconds <= _LONGEST_SECONDS:
        raise InputError(f"{text!r} is not a duration of at least a second; write 30s, 15m, 1h or 1d, at most 366d")
    return seconds


def _beat_failed(workspace: Workspace) -> None:
    with contextlib.suppress(SurroundingsError):  # a disk that takes no heartbeat is what failed
        _beat(workspace, "failed")


def _beat(workspace: Workspace, status: str) -> None:
    if not workspace.root.exists():  # a missing workspace is refused by the cycle, not made here
        return
    write_json(workspace.heartbeat, {"at": datetime.now(UTC).isoformat(timespec="seconds"), "status": status})
