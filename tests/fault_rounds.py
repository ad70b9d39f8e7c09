"""A round of faults: a service, an embedded store, ingests and jobs, all killed at random moments while clients post events.

What has to hold afterwards is told by ``Round.complaints``: it compares what clients were told with what is in the segments, and
what was learned with a job that nobody disturbed over the same segments.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import polars as pl
import redis
from fault_clients import Book, Client, Event
from make_impressions import ALL_BLOCKS, shorten, silent
from prometheus_client.parser import text_string_to_metric_families
from redis.backoff import NoBackoff
from redis.retry import Retry
from shell import environment

from artwork.bench.testbed.service_process import free_port
from bandit.errors import SurroundingsError
from bandit.snapshot import DEAD_EVENTS_KEY, event_stream_key
from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.events.arrivals import JoinSettings
from batch.events.join import join
from batch.events.segments import scan_segments
from batch.executors import SerialExecutor
from batch.learning.train import train
from batch.store.client import URL_VARIABLE
from batch.store.embedded import FSYNC_VARIABLE, start_store, stop_store
from batch.workspace.generations import finished, folder_of
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

USERS: Final = 300
TITLES: Final = 10
CLIENTS: Final = 4
PARTITIONS: Final = 3
SKEW: Final = timedelta(days=1)
KILLED: Final = -signal.SIGKILL
HANG_SECONDS: Final = 120.0
TAIL_LETTERS: Final = 600
SETTINGS: Final = {
    "ARTWORK_POLL_SECONDS": "0.05",
    "ARTWORK_EVENT_PARTITIONS": str(PARTITIONS),
    "ARTWORK_EVENTS_DEADLINE_MS": "2000",
}
ONE_BY_ONE: Final = (
    ("ingest",),
    ("join",),
    ("train",),
    ("precompute",),
    ("publish", "--force"),
)
"""The stages of a run, each as a command of its own."""
FOLLOW: Final = (("ingest", "--follow", "--every", "0.1"),)
RUN: Final = (("run", "--force"),)


@dataclass(frozen=True)
class Outcome:
    """What became of a round; ``lost`` events were answered 202 and are in no segment."""

    seed: int
    fsync: str
    events: int
    requests: int
    retries: int
    kills: dict[str, int]
    segments: int
    dead: int
    rows: int
    set_aside: int
    generations: int
    lost: int
    loss_seconds: float
    """The longest time between an answer and the kill of the store that lost its event."""
    seconds: float
    complaints: list[str]


class Again:
    """Commands, one after the other and again, each started anew when it ends or is killed."""

    def __init__(self, root: Path, commands: Sequence[Sequence[str]], variables: dict[str, str]) -> None:
        self._ended: list[tuple[str, int, str]] = []
        self.kills = 0
        self._root, self._commands, self._variables = root, commands, variables
        self._over = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run)
        self._log = root.parent / f"{commands[0][0]}-{len(commands)}.log"

    def __enter__(self) -> "Again":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._signal(signal.SIGTERM)
        self._thread.join()

    def kill(self) -> None:
        """SIGKILL of whatever runs now, with all of its processes."""
        self.kills += self._signal(signal.SIGKILL)

    def strange(self) -> list[str]:
        """Commands that ended as nobody may: what is killed, stopped, without a store, or not alone, is none of them."""
        allowed = {0, 3, KILLED, -signal.SIGTERM, 128 + signal.SIGTERM}
        # Where training was killed, or kept out by another job, there is nothing to precompute.
        return [
            f"`artwork {name}` ended with {code}: {said}"
            for name, code, said in self._ended
            if code not in allowed and not (name == "precompute" and "has its picks already" in said)
        ]

    def _run(self) -> None:
        turn = 0
        with self._log.open("w+b") as log:
            while not self._over.is_set():
                words = self._commands[turn % len(self._commands)]
                command = [sys.executable, "-m", "artwork.cli", *words, "-w", str(self._root)]
                # A group of its own, which a kill hits as a whole.
                process = subprocess.Popen(
                    command, stdout=log, stderr=log, env=environment(**self._variables), start_new_session=True
                )
                self._process = process
                if self._over.is_set():
                    process.terminate()
                code = process.wait()
                said = self._log.read_text(errors="replace")[-TAIL_LETTERS:] if code > 0 else ""
                self._ended.append((" ".join(words), code, said))
                log.truncate(0)
                log.seek(0)
                turn += 1

    def _signal(self, number: int) -> bool:
        process = self._process
        if process is None or process.poll() is not None:
            return False
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        return True


@dataclass
class Store:
    """The embedded store of a workspace, which is killed and comes back."""

    root: Path
    url: str = ""
    kills: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start it where it does not run; back when it answers."""
        self.url = start_store(self.root).url

    def kill(self, pause: float) -> None:
        """SIGKILL, and up again after a pause."""
        with self.lock:
            pid = start_store(self.root).pid
            self.kills.append(time.monotonic())
            os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):  # the child of another command
                os.waitpid(pid, 0)
            time.sleep(pause)
            self.start()

    def client(self) -> redis.Redis:
        """A client that does not try twice."""
        return redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), socket_timeout=10)


@contextmanager
def fault_workspace(fsync: str) -> Iterator[Workspace]:
    """A workspace in a short folder whose embedded store syncs as told; both are removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    before = {name: os.environ.pop(name, None) for name in (URL_VARIABLE, FSYNC_VARIABLE, "ARTWORK_EVENTS_URL")}
    os.environ[FSYNC_VARIABLE] = fsync
    workspace = Workspace(folder / "w")
    try:
        write(workspace, synthetic.build(n_users=USERS, n_titles=TITLES, seed=3))
        shorten(workspace)
        yield workspace
    finally:
        with suppress(SurroundingsError):
            stop_store(workspace.root, force=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop(FSYNC_VARIABLE)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def command(workspace: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    """``artwork`` over a workspace with its embedded store, as it is started."""
    variables = environment(**{FSYNC_VARIABLE: os.environ[FSYNC_VARIABLE]})
    return subprocess.run(
        [sys.executable, "-m", "artwork.cli", *words, "-w", str(workspace.root)],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS * 2,
        env=variables,
    )


def play_round(seed: int, fsync: str, events: int, kills: int, *, pause: float = 1.5, two_runs: bool = True) -> Outcome:
    """Post, kill, and compare.

    Args:
        seed: of everything that is drawn; when processes are at which point is the machine's.
        fsync: when the store syncs.
        events: that are posted, at least.
        kills: random moments.
        pause: mean seconds between two.
        two_runs: whether whole runs and their single stages are at work at once.
    """
    began = time.monotonic()
    with fault_workspace(fsync) as workspace:
        first = command(workspace, "run", "--policy", "thompson")
        assert first.returncode == 0, first.stderr
        disturbed = _Disturbed(workspace, seed, fsync)
        disturbed.play(events, kills, pause, two_runs=two_runs)
        return disturbed.outcome(began)


class _Disturbed:
    """A workspace in which everything is killed."""

    def __init__(self, workspace: Workspace, seed: int, fsync: str) -> None:
        self._workspace, self._seed, self._fsync = workspace, seed, fsync
        self._chance = random.Random(f"kills {seed}")
        self._book = Book()
        self._store = Store(workspace.root)
        self._kills: dict[str, int] = {}
        self._poison = 0
        self._retired: tuple[float, str, str] | None = None
        self._failed = False
        self._complaints: list[str] = []

    def play(self, events: int, kills: int, pause: float, *, two_runs: bool) -> None:
        """Let clients post all events while everything is killed so many times."""
        self._store.start()
        variables = {FSYNC_VARIABLE: self._fsync}
        port = free_port()
        serve = ("serve", "--host", "127.0.0.1", "--port", str(port))
        root, address = self._workspace.root, f"http://127.0.0.1:{port}"
        tables = read_tables(self._workspace)
        users, titles = tables.users["user_id"].to_list(), tables.titles["title_id"].to_list()
        started, length = time.monotonic(), kills * pause

        def due(share: float) -> float:
            return started + share * length - time.monotonic()

        with ExitStack() as stack:
            service = stack.enter_context(Again(root, (serve,), variables | SETTINGS))
            targets = {
                "service": service,
                "ingest --follow": stack.enter_context(Again(root, FOLLOW, variables)),
                "stages": stack.enter_context(Again(root, ONE_BY_ONE, variables)),
            }
            if two_runs:
                targets["run"] = stack.enter_context(Again(root, RUN, variables))
            pool = stack.enter_context(ThreadPoolExecutor(CLIENTS + 1))
            _until(lambda: _metric(address, "artwork_polls_total") is not None, "the service answers")
            started = time.monotonic()
            over = lambda: self._failed  # noqa: E731
            clients = [
                Client(f"c{number}", address, users, titles, self._book, self._seed, over) for number in range(CLIENTS)
            ]
            work = [pool.submit(client.work, events // CLIENTS, due) for client in clients]
            retiring = pool.submit(self._retire, address, length / 2)
            try:
                self._kill_all(targets, kills, pause)
                for one in [*work, retiring]:
                    one.result(HANG_SECONDS * 2)
            finally:
                self._failed = True
        for name, target in targets.items():
            self._kills[name] = target.kills
            self._complaints += target.strange()
        self._kills["store"] = len(self._store.kills)

    def _kill_all(self, targets: dict[str, Again], kills: int, pause: float) -> None:
        names = [*targets, "store"]
        for number in range(kills):
            time.sleep(self._chance.uniform(0.2, 1.8) * pause)
            name = names[number % len(names)] if number < len(names) else self._chance.choice(names)
            if name == "store":
                self._store.kill(self._chance.choice([0.0, 0.0, 0.3, 1.0]))
            else:
                targets[name].kill()
            self._poison += self._poisoned()

    def _poisoned(self) -> int:
        """Put what is no event into a stream; whether the store has answered that it is there."""
        with suppress(redis.RedisError), self._store.client() as client:
            client.xadd(event_stream_key(self._chance.randrange(PARTITIONS)), {"v": "1", "nonsense": os.urandom(4)})
            return 1
        return 0

    def _retire(self, address: str, after: float) -> None:
        """Take down an artwork that is shown, in the midst of it all; what is asked two polls later may not show it."""
        time.sleep(after)
        shown = self._book.shown[-1]
        for _ in range(20):
            done = command(self._workspace, "catalogue", "retire", shown[1], shown[2])
            if done.returncode == 0:
                break
            if done.returncode != 3:
                self._complaints.append(f"`artwork catalogue retire` ended with {done.returncode}: {done.stderr}")
        self._two_polls(address)
        self._retired = (time.monotonic(), shown[1], shown[2])

    def _two_polls(self, address: str) -> None:
        seen, polls = 0.0, 0

        def polled() -> bool:
            nonlocal seen, polls
            is_up, now = _metric(address, "artwork_store_up"), _metric(address, "artwork_polls_total")
            if is_up and now is not None:  # a poll that found no store has seen nothing
                polls += now != seen  # a service that was killed counts anew
                seen = now
            return (
                polls >= 4
            )  # the first look, and a poll that was under way or found the store gone again, tell nothing

        _until(polled, "two polls")

    def outcome(self, began: float) -> Outcome:
        """What became of it, once everything is quiet."""
        self._store.start()
        for words in (("ingest",), ("run", "--force")):
            done = command(self._workspace, *words)
            if done.returncode != 0:
                self._complaints.append(
                    f"undisturbed, `artwork {words[0]}` ended with {done.returncode}: {done.stderr}"
                )
        dead = self._streams()
        events = scan_segments(self._workspace).collect()
        book = self._book
        lost = sorted(set(book.accepted) - set(events["event_id"]))
        self._check_segments(events, lost)
        rows = _rows(self._workspace)
        self._check_rows(rows, lost)
        self._check_shown()
        self._complaints += book.wrong[:5]
        self._complaints += differences(self._workspace, Config())
        report = pl.read_json(self._workspace.events / "join.json")["total"][0]
        return Outcome(
            seed=self._seed,
            fsync=self._fsync,
            events=len(book.accepted),
            requests=book.requests,
            retries=book.retries,
            kills=self._kills,
            segments=events.select("stream_id").n_unique(),
            dead=dead,
            rows=rows.height,
            set_aside=sum(count or 0 for count in report["set_aside"].values()),
            generations=len(finished(self._workspace, "precomputed")),
            lost=len(lost),
            loss_seconds=max((self._loss(book.accepted[event]) for event in lost), default=0.0),
            seconds=round(time.monotonic() - began, 1),
            complaints=self._complaints,
        )

    def _loss(self, accepted: float) -> float:
        return min((kill - accepted for kill in self._store.kills if kill > accepted), default=float("inf"))

    def _streams(self) -> int:
        """How many dead letters there are; the streams are empty, and no poison is a letter twice."""
        with self._store.client() as client:
            left = sum(int(client.xlen(event_stream_key(number))) for number in range(PARTITIONS))
            letters: Any = client.xrange(DEAD_EVENTS_KEY)
        if left:
            self._complaints.append(f"{left} entries are left in the streams")
        places = [(fields[b"stream"], fields[b"id"]) for _, fields in letters]
        if len(set(places)) < len(places):
            self._complaints.append("an entry was put aside twice")
        if len(places) < self._poison and self._fsync == "always":
            self._complaints.append(f"of {self._poison} entries of poison {len(places)} were put aside")
        return len(places)

    def _check_segments(self, events: pl.DataFrame, lost: list[str]) -> None:
        if lost and self._fsync == "always":
            self._complaints.append(f"{len(lost)} events were accepted and are in no segment: {lost[:5]}")
        entries = events.select("stream_id", "place", "received_at", "event_id", "user_id")
        if entries.is_duplicated().any():
            self._complaints.append("an entry is in the segments twice")
        strangers = set(events["event_id"]) - self._book.sent.keys()
        if strangers:
            self._complaints.append(f"nobody sent {sorted(strangers)[:5]}")
        for row in events.iter_rows(named=True):
            sent = self._book.sent.get(row["event_id"])
            if sent is not None and (why := _changed(row, sent)):
                self._complaints.append(f"{row['event_id']}: {why}")
                return

    def _check_rows(self, rows: pl.DataFrame, lost: list[str]) -> None:
        """Every impression that was answered is a row once, with the propensity of its answer; lies are none."""
        stored = set(scan_segments(self._workspace).select("event_id").collect()["event_id"])
        expected = {event for event in self._book.true if event in stored}
        learned = rows["event_id"].to_list()
        if len(set(learned)) < len(learned):
            self._complaints.append("an impression was learned twice")
        if lied := self._book.lies & set(learned):
            self._complaints.append(f"a lie was learned: {self._book.sent[min(lied)]}")
        if set(learned) != expected:
            odd = set(learned) ^ expected
            self._complaints.append(f"{len(odd)} impressions differ, as {self._book.sent[min(odd)]}, lost {len(lost)}")
        for row in rows.iter_rows(named=True):
            answer = self._book.true.get(row["event_id"])
            if answer is not None and (why := _untrue(row, answer, self._retired)):
                self._complaints.append(f"{row['event_id']}: {why}; answered was {answer}")
                return

    def _check_shown(self) -> None:
        if self._retired is None:
            self._complaints.append("no artwork was retired")
            return
        since, title, artwork = self._retired
        later = [asked - since for asked, *what in self._book.shown if asked > since and what == [title, artwork]]
        if later:
            self._complaints.append(
                f"{title}'s {artwork} was retired and shown {len(later)} times, {later[0]:.1f} s later"
            )


def differences(workspace: Workspace, config: Config, settings: JoinSettings | None = None) -> list[str]:
    """How what was learned differs from what a job learns that nobody disturbs, over a copy of what is stored."""
    fresh = Workspace(workspace.root.parent / "fresh")
    fresh.root.mkdir()
    for name in ("users.parquet", "titles.parquet", "artworks.parquet", "candidates.parquet"):
        if (workspace.root / name).exists():
            shutil.copy(workspace.root / name, fresh.root)
    shutil.copytree(workspace.generations, fresh.generations)
    if workspace.overlays.exists():
        shutil.copytree(workspace.overlays, fresh.overlays)
    shutil.copytree(workspace.events / "segments", fresh.events / "segments")
    join(fresh, SerialExecutor(), silent, settings=settings)
    made = train(fresh, config, SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    newest = max(finished(workspace, "precomputed"))
    wrong = [
        f"{name} differs from that of an undisturbed job"
        for name in sorted(_learned(workspace, newest) | _learned(fresh, made.generation))
        if _learned(workspace, newest).get(name) != _learned(fresh, made.generation).get(name)
    ]
    shutil.rmtree(fresh.root)
    return wrong


def _learned(workspace: Workspace, generation: int) -> dict[str, bytes]:
    """The bytes of rows, of posteriors and of what popularity was counted."""
    rows = {f"{path.parent.name}/{path.name}": path for path in workspace.impressions.glob("day=*/*.parquet")}
    folder = folder_of(workspace, generation)
    posterior = {f"posterior/{path.name}": path for path in (folder / "posterior").iterdir()}
    files = rows | posterior | {"catalogue": folder / "catalogue.parquet", "join.json": workspace.events / "join.json"}
    return {name: path.read_bytes() for name, path in files.items()}


def _rows(workspace: Workspace) -> pl.DataFrame:
    paths = sorted(workspace.impressions.glob("day=*/*.parquet"))
    return pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in paths])


def _changed(row: Event, sent: Event) -> str:
    """How an event on disk differs from what was sent; its time is bounded by when it was received."""
    names = (
        "type",
        "user_id",
        "title_id",
        "artwork_id",
        "generation",
        "revision",
        "source",
        "segment",
        "watch_fraction",
    )
    for name in names:
        if row[name] != sent.get(name):
            return f"{name} is {row[name]}, sent was {sent.get(name)}"
    said = datetime.fromisoformat(sent["occurred_at"]).astimezone(UTC)
    at = min(max(said, row["received_at"] - SKEW), row["received_at"])
    return "" if row["at"] == at else f"at is {row['at']}, expected {at}"


def _untrue(row: Event, answer: Event, retired: tuple[float, str, str] | None) -> str:
    """How a row differs from what was answered.

    Where an artwork of the title is retired, two roads lead to each other one, and the answer tells the chance of one of them.
    """
    for name in ("user_id", "title_id", "artwork_id", "generation", "revision", "source"):
        if row[name] != answer[name]:
            return f"{name} is {row[name]}"
    if answer["revision"] and retired is not None and retired[1] == answer["title_id"]:
        return ""
    return f"its propensity is {row['propensity']}" if abs(row["propensity"] - answer["propensity"]) > 1e-9 else ""


def _metric(address: str, name: str, **labels: str) -> float | None:
    try:
        text = httpx.get(address + "/metrics", timeout=5).text
    except httpx.TransportError:
        return None
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples if one.name == name]
    return sum(one.value for one in samples if labels.items() <= one.labels.items())


def _until(what: Callable[[], bool], hope: str) -> None:
    give_up = time.monotonic() + HANG_SECONDS
    while not what():
        assert time.monotonic() < give_up, f"it never came to be: {hope}"
        time.sleep(0.02)
