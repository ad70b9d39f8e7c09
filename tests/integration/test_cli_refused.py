"""Wrong input and failing surroundings on the command line: exit code, one line, nothing written."""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import polars as pl
import pytest
import redis
from make_impressions import FIRST_DAY, draw_impressions, make_generation
from shell import Called, artwork, assert_refused, call, listing, runtime_folder

from batch.workspace.impressions import append_impressions
from batch.workspace.workspace import Workspace

Change = Callable[[Workspace], object]


@pytest.fixture
def runtime() -> Iterator[str]:
    """A runtime folder: a store that was started by mistake leaves its lock there."""
    with runtime_folder() as folder:
        yield folder


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on loopback that is taken but answers nobody."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.fixture
def port_in_use() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def rewrite(path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    change(pl.read_parquet(path)).write_parquet(path)


def with_nan(frame: pl.DataFrame) -> pl.DataFrame:
    contexts = frame["context"].to_list()
    contexts[6][0] = float("nan")
    return frame.with_columns(context=pl.Series(contexts, dtype=pl.List(pl.Float32)))


def shorter_context(frame: pl.DataFrame) -> pl.DataFrame:
    contexts = frame["context"].to_list()
    contexts[6].pop()
    return frame.with_columns(context=pl.Series(contexts, dtype=pl.List(pl.Float32)))


def unknown_title(frame: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([frame, frame.head(1).with_columns(title_id=pl.lit("t9999"))])


BROKEN: dict[str, tuple[Change, tuple[str, ...]]] = {
    "a missing file": (lambda w: w.titles.unlink(), ("titles.parquet is missing", "artwork data example")),
    "an empty file": (lambda w: w.titles.write_bytes(b""), ("titles.parquet is empty (0 bytes)", "write it again")),
    "no parquet file": (lambda w: w.users.write_text("user_id\n"), ("users.parquet is not a Parquet file",)),
    "a missing column": (
        lambda w: rewrite(w.users, lambda f: f.drop("sessions")),
        ("users.parquet has no column sessions", "add the column"),
    ),
    "a mistyped column": (
        lambda w: rewrite(w.users, lambda f: f.with_columns(pl.col("sessions").cast(pl.String))),
        ("users.parquet, column sessions", "the type is String, expected integer"),
    ),
    "NaN": (
        lambda w: rewrite(w.users, with_nan),
        ("users.parquet, column context, row 7 (user_id 'u0007')", "finite", "replace NaN"),
    ),
    "a context of another length": (
        lambda w: rewrite(w.users, shorter_context),
        ("users.parquet, column context, row 7", "as many numbers as the first row has"),
    ),
    "a duplicate key": (
        lambda w: rewrite(w.users, lambda f: pl.concat([f, f[4:5]])),
        ("users.parquet, column user_id, row 601", "every user_id once", "remove the row"),
    ),
    "an artwork of an unknown title": (
        lambda w: rewrite(w.artworks, unknown_title),
        ("artworks.parquet, column title_id, row ", "'t9999'", "add the title to titles.parquet"),
    ),
    "an artwork without a title": (
        lambda w: rewrite(w.artworks, lambda f: f.with_columns(title_id=pl.lit(None, dtype=pl.String))),
        ("artworks.parquet, column title_id, row 1", "found None", "fill the value in"),
    ),
    "a title without artworks": (
        lambda w: rewrite(w.artworks, lambda f: f.filter(pl.col("title_id") != "t0002")),
        ("titles.parquet, column title_id, row 2", "add an artwork"),
    ),
}


@pytest.mark.parametrize("command", [("data", "check"), ("train", "-w"), ("run", "-w")], ids=lambda words: words[0])
@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_table_is_refused_by_name_and_nothing_is_written(
    case: tuple[Change, tuple[str, ...]], command: tuple[str, str], workspace: Workspace, runtime: str
) -> None:
    break_table, names = case
    break_table(workspace)
    before = listing(workspace.root)
    assert_refused(call(*command, str(workspace.root), XDG_RUNTIME_DIR=runtime), 2, *names)
    assert listing(workspace.root) == before
    assert listing(Path(runtime)) == {}


def test_bad_impressions_are_refused_by_file_and_row_and_no_generation_is_claimed(workspace: Workspace) -> None:
    path = append_impressions(workspace, FIRST_DAY, draw_impressions(workspace, FIRST_DAY, 20))
    rewrite(path, lambda frame: frame.with_columns(propensity=pl.lit(0.0)))
    before = listing(workspace.root)
    answer = call("train", "-w", str(workspace.root))
    assert_refused(answer, 2, f"{path}, column propensity, row 1", "expected a number in (0, 1]")
    assert listing(workspace.root) == before


ON_A_WORKSPACE = [
    ("data", "check"),
    ("train", "-w"),
    ("precompute", "-w"),
    ("publish", "-w"),
    ("run", "-w"),
    ("generations", "list", "-w"),
    ("generations", "activate", "1", "-w"),
    ("generations", "rollback", "-w"),
    ("store", "start", "-w"),
    ("store", "status", "-w"),
    ("store", "rebuild", "-w"),
]


@pytest.mark.parametrize("words", ON_A_WORKSPACE, ids=lambda words: " ".join(words[:2]))
def test_a_workspace_that_is_not_there_is_refused_and_not_made(
    words: tuple[str, ...], tmp_path: Path, runtime: str
) -> None:
    assert_refused(call(*words, str(tmp_path / "nowhere"), XDG_RUNTIME_DIR=runtime), 2, "nowhere")
    assert listing(tmp_path) == listing(Path(runtime)) == {}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("precompute",), ("no trained generation", "artwork train")),
        (("precompute", "--generation", "9"), ("generation 9 is not trained", "artwork train")),
        (("publish",), ("no precomputed generation", "artwork precompute")),
        (("publish", "--generation", "9"), ("generation 9 is not precomputed", "artwork precompute")),
        (("generations", "activate", "9"), ("generation 9 is not whole in the store", "artwork publish")),
        (("generations", "rollback"), ("no previous generation", "publish twice first")),
    ],
    ids=" ".join,
)
def test_a_generation_that_does_not_exist_is_refused(
    words: tuple[str, ...], names: tuple[str, ...], workspace: Workspace, store: str
) -> None:
    before = listing(workspace.root)
    assert_refused(call(*words, "-w", str(workspace.root), ARTWORK_REDIS_URL=store), 2, *names)
    assert listing(workspace.root) == before


def test_publishing_what_does_not_exist_starts_no_store(workspace: Workspace, runtime: str) -> None:
    before = listing(workspace.root)
    answer = call("publish", "--generation", "9", "-w", str(workspace.root), XDG_RUNTIME_DIR=runtime)
    assert_refused(answer, 2, "generation 9")
    assert listing(workspace.root) == before
    assert listing(Path(runtime)) == {}


def test_a_generation_that_has_its_picks_gets_no_others(workspace: Workspace) -> None:
    make_generation(workspace)
    before = listing(workspace.root)
    assert_refused(call("precompute", "-w", str(workspace.root)), 2, "generation 1 has its picks already")
    assert listing(workspace.root) == before


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("train", "--policy", "magic"), ("magic",)),
        (("train", "--policy", "epsilon_greedy:epsilon=2"), ("epsilon",)),
        (("train", "--posterior", "magic"), ("no posterior 'magic'", "linear")),
        (("train", "--retention", "0"), ("retention is 0", "above 0 and at most 1")),
        (("train", "--reward", "applause"), ("no reward 'applause'", "take, click")),
        (("run", "--explore-share", "1"), ("explore_share is 1", "from 0 to below 1")),
        (("train", "--variant", "policy=magic"), ("--variant policy=magic: ", "no policy 'magic'", "thompson")),
        (("train", "--variant", "a=posterior=magic"), ("--variant a=posterior=magic: ", "no posterior 'magic'")),
        (("train", "--variant", "a"), ("--variant a has ''", "[NAME=]field=value", "policy, posterior, reward")),
        (("train", "--variant", "a=b=c"), ("--variant a=b=c has 'b=c'", "once at most")),
        (("train", "--variant", ""), ("has ''",)),
        (("train", "--variant", "share=0.5,share=0.5"), ("has share twice",)),
        (("train", "--variant", "a=share=half"), ("--variant a=share=half: ", "'half'")),
        (("train", "--variant", "a=share=0"), ("share of variant", "expected above 0")),
        (("train", "--variant", "a=share=nan"), ("is nan",)),
        (("train", "--variant", "a=floor=0.6"), ("floor is 0.6", "between 0 and 0.5")),
        (("train", "--variant", "a b=policy=greedy"), ("name is 'a b'", "64 letters")),
        (("train", "--variant", "uniform=policy=greedy"), ("uniform is that of explore data",)),
        (("run", "--variant", "share=0.5"), ("add up to 0.5, expected 1",)),
        (("run", "--variant", "a=share=0.9", "--variant", "b=share=0.9"), ("add up to 1.8, expected 1",)),
        (("run", "--variant", "policy=greedy", "--variant", "policy=greedy"), ("greedy, greedy are the same",)),
        (("run", "--variant", "a=policy=greedy", "--variant", "a=share=0.1"), ("two variants have the name a",)),
        (("run", *["--variant", "policy=greedy"] * 256), ("256 variants, expected 1 to 255",)),
        (("run", "--salt", "a/b"), ("the salt is 'a/b'", "64 letters")),
        (("train", "--executor", "magic"), ("no executor 'magic'", "serial, processes")),
        (("run", "--every", "often"), ("'often' is not a duration", "write 30s, 15m, 1h or 1d")),
        (("run", "--every", "0s"), ("'0s' is not a duration",)),
    ],
    ids=lambda words: " ".join(words)[:60],
)
def test_an_option_that_makes_no_sense_is_refused(
    words: tuple[str, ...], names: tuple[str, ...], workspace: Workspace, runtime: str
) -> None:
    before = listing(workspace.root)
    assert_refused(call(*words, "-w", str(workspace.root), XDG_RUNTIME_DIR=runtime), 2, *names)
    assert listing(workspace.root) == before


@pytest.mark.parametrize(
    "words", [("publish",), ("run",), ("generations", "list"), ("generations", "activate", "1")], ids=" ".join
)
def test_a_store_that_cannot_be_reached_is_one_line_without_the_password(
    words: tuple[str, ...], workspace: Workspace, closed_port: int
) -> None:
    make_generation(workspace)
    before = listing(workspace.root)
    url = f"redis://me:secret@127.0.0.1:{closed_port}/0"
    answer = call(*words, "-w", str(workspace.root), ARTWORK_REDIS_URL=url)
    assert_refused(answer, 3, f"redis://me:***@127.0.0.1:{closed_port}/0 failed", "check ARTWORK_REDIS_URL")
    assert "secret" not in answer.err
    assert listing(workspace.root) == before


@pytest.mark.parametrize(
    ("url", "shown"),
    [("http://me:secret@host", "http://me:***@host"), ("redis://me:secret@host:port", "redis://...")],
)
def test_a_store_by_a_url_that_is_none_is_wrong_input(url: str, shown: str, workspace: Workspace) -> None:
    make_generation(workspace)
    answer = call("publish", "-w", str(workspace.root), ARTWORK_REDIS_URL=url)
    assert_refused(answer, 2, f"ARTWORK_REDIS_URL is {shown}, expected a URL")
    assert "secret" not in answer.err


def test_a_store_that_evicts_is_refused(workspace: Workspace, store: str, client: redis.Redis) -> None:
    make_generation(workspace)
    client.config_set("maxmemory-policy", "allkeys-lru")
    answer = call("publish", "-w", str(workspace.root), ARTWORK_REDIS_URL=store)
    assert_refused(answer, 3, "maxmemory-policy is allkeys-lru", "CONFIG SET maxmemory-policy noeviction")


def test_a_disk_that_does_not_take_a_generation_is_one_line(workspace: Workspace) -> None:
    workspace.generations.write_text("a file where the folder should be")
    assert_refused(call("train", "-w", str(workspace.root)), 3, "cannot claim a generation", "check the disk")


# --- as a process: what a shell sees ---------------------------------------------------------------------------------

# Jobs are one module; two of them are tried in a shell below.
JOBS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "train": (("train", "-w", "nowhere"), 2, "nowhere is not a folder"),
    "precompute": (("precompute", "-w", "nowhere"), 2, "no trained generation"),
    "publish": (("publish", "-w", "nowhere"), 2, "no precomputed generation"),
    "run": (("run", "-w", "nowhere", "--every", "often"), 2, "'often' is not a duration"),
}
IN_A_SHELL: dict[str, tuple[tuple[str, ...], int, str]] = {
    "data": (("data", "check", "nowhere"), 2, "nowhere is not a folder"),
    "explain": (("explain", "-w", "nowhere", "--user", "u", "--title", "t"), 2, "no precomputed generation"),
    "generations": (("generations", "rollback", "-w", "nowhere"), 2, "nowhere is not a folder"),
    "loadtest": (("loadtest", "-w", "nowhere", "--host", "http://127.0.0.1:9"), 2, "loadtest.json is not there"),
    "demo": (("demo", "-w", "nowhere", "--policy", "uniform"), 2, "uniform does not"),
}


@pytest.mark.parametrize(
    ("run", "words", "code", "name"),
    [(call, *refused) for refused in JOBS.values()] + [(artwork, *refused) for refused in IN_A_SHELL.values()],
    ids=[*JOBS, *IN_A_SHELL],
)
def test_every_family_refuses_in_one_line(
    run: Callable[..., Called | CompletedProcess[str]],
    words: tuple[str, ...],
    code: int,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runtime: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(run(*words, XDG_RUNTIME_DIR=runtime), code, name)
    assert listing(tmp_path) == listing(Path(runtime)) == {}


def test_a_port_in_use_is_one_line(workspace: Workspace, port_in_use: int, runtime: str) -> None:
    before = listing(workspace.root)
    answer = artwork("serve", "--port", str(port_in_use), "-w", str(workspace.root), XDG_RUNTIME_DIR=runtime)
    assert_refused(answer, 3, str(port_in_use))
    assert listing(workspace.root) == before
    assert listing(Path(runtime)) == {}


def test_an_embedded_store_that_cannot_start_is_one_line(tmp_path: Path, runtime: str) -> None:
    (tmp_path / "store" / "valkey.log").mkdir(parents=True)
    answer = artwork("store", "start", "-w", str(tmp_path), XDG_RUNTIME_DIR=runtime)
    assert_refused(answer, 3, "valkey.log cannot be opened: Is a directory; remove it")


def test_an_unreachable_store_is_one_line_in_a_shell(workspace: Workspace, closed_port: int) -> None:
    make_generation(workspace)
    answer = artwork("publish", "-w", str(workspace.root), ARTWORK_REDIS_URL=f"redis://127.0.0.1:{closed_port}")
    assert_refused(answer, 3, "failed: ", "Connection refused")


def test_a_broken_workspace_is_one_line_in_a_shell(workspace: Workspace) -> None:
    shutil.copy(workspace.titles, workspace.users)
    assert_refused(artwork("train", "-w", str(workspace.root)), 2, "users.parquet has no column user_id")
