"""The servers of ``artwork bench serving``, started for real, and the whole command."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from shell import call

from artwork.bench.serving import agreement, contenders, driving, wrk
from artwork.bench.serving.contenders import Asked
from artwork.bench.serving.judging import SHOWN
from artwork.bench.serving.other_tree import OtherTree
from artwork.bench.serving.plan import ARTWORKS, GENERATION
from artwork.bench.serving.run import FAULTS_JUDGED, SERVERS
from artwork.bench.serving.servers import (
    BARE_COMMANDS,
    BEFORE,
    COMMANDS,
    NAIVE,
    OURS,
    UVICORN,
    WEBDIS,
    Command,
    Maker,
    Running,
    before,
    is_installed,
    running,
)
from artwork.bench.targets import WrongAnswerError
from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, publish
from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import row_key

ROOT = Path(__file__).parents[2]
GROUND = StoreFixture(200, 100, artworks=ARTWORKS)
Servers = dict[str, Running]


@pytest.fixture(scope="module")
def bench_store() -> Iterator[BreakableStore]:
    with TemporaryDirectory() as folder, BreakableStore(Path(folder), forgets=True) as store:
        yield store


@pytest.fixture(scope="module")
def servers(bench_store: BreakableStore) -> Iterator[Servers]:
    """Every server that is installed, on one store; ours wait long for it, for here answers are looked at and not times."""

    def patient(make: Maker) -> Maker:
        def made(store: BreakableStore, folder: Path, port: int) -> Command:
            command = make(store, folder, port)
            return replace(command, variables={**command.variables, "ARTWORK_STORE_DEADLINE_MS": "500"})

        return made

    with bench_store.client() as client:
        publish(client, GROUND, GENERATION, flip=1)
    commands = {name: patient(make) for name, make in {**COMMANDS, **BARE_COMMANDS}.items()}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(running(name, bench_store, None, commands))
            for name in commands
            if is_installed(name)
        }


def test_all_servers_give_the_answers_that_the_rows_say(servers: Servers) -> None:
    agreement.check(GROUND, servers)


def test_a_server_that_answers_otherwise_is_found_out(servers: Servers, bench_store: BreakableStore) -> None:
    rows = dict(GROUND.rows(GENERATION))
    key = row_key(GENERATION, "u3")
    with bench_store.client() as client:
        client.delete(key)
        try:
            with pytest.raises(WrongAnswerError, match="u3"):
                agreement.check(GROUND, servers)
        finally:
            client.set(key, rows["u3"])


def test_every_contender_answers_the_driver_from_its_rows(servers: Servers) -> None:
    for contender in contenders.make(GROUND, servers):
        with contender.server.asked():
            found = driving.asked_by_driver(driving.load_of(contender, 200, 0.5), contender.name)
        # A service that a busy machine holds up past its deadline answers some without their row.
        assert driving.from_rows(contender, found) > 0.5, contender.name
        assert set(found.statuses) == {200}


def test_an_answer_to_another_request_ends_the_bench(servers: Servers) -> None:
    [contender] = contenders.make(GROUND, {NAIVE: servers[NAIVE]})
    load = driving.load_of(contender, 200, 0.2)
    crossed = type(load)(**vars(load) | {"expected": [*load.expected[1:], load.expected[0]] if load.expected else None})
    with pytest.raises(WrongAnswerError, match="belong to no request"):
        driving.asked_by_driver(crossed, contender.name)


@pytest.mark.skipif(not wrk.is_installed(), reason="wrk is not installed")
def test_wrk_cycles_through_the_paths_and_counts_what_failed(servers: Servers) -> None:
    paths = [Asked("/livez", b""), Asked("/nowhere", b"")]
    found = wrk.run(servers[OURS].port, paths, 1)
    assert found.rate > 0
    assert found.failed == pytest.approx(found.rate / 2, rel=0.2)
    assert found.latency.p50_ms <= found.latency.p99_ms <= found.latency.max_ms


@pytest.fixture
def changed_tree(tmp_path: Path) -> Path:
    """A copy of this tree whose service names the source of a pick differently."""
    for package in ("artwork", "bandit", "batch", "loadtest", "service"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    answers = tmp_path / "service" / "lookup" / "answers.py"
    text = answers.read_text(encoding="utf-8")
    assert text.count('"personalized"') == 1
    answers.write_text(text.replace('"personalized"', '"personal"'), encoding="utf-8")
    return tmp_path


def test_the_service_of_another_tree_answers_by_the_code_of_that_tree(
    bench_store: BreakableStore, servers: Servers, changed_tree: Path
) -> None:
    path = "/v1/users/u3/titles/t5/artwork"
    tree = OtherTree.at(changed_tree)
    with running(BEFORE, bench_store, None, {BEFORE: before(tree.folder)}) as other:
        answers = {json.loads(other.get(path)[1])["source"] for _ in range(50)}
        assert "personal" in answers  # a machine that is held up answers some from popularity
        with pytest.raises(WrongAnswerError, match="answered for 4 s without the user's row"):
            agreement.check(GROUND, {OURS: servers[OURS], BEFORE: other})


def test_a_tree_is_called_by_its_commit_or_else_by_its_folder(changed_tree: Path) -> None:
    assert OtherTree.at(changed_tree).label == changed_tree.name
    said = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if said.returncode == 0:
        assert said.stdout.startswith(OtherTree.at(ROOT).label.rstrip("+"))


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "holds no service/app.py"),
        ({"service": ""}, "holds no service/app.py"),
        ({"service/app.py": "", "service/__init__.py": ""}, "Python would take .*, expected all code from that folder"),
        (
            {"service/app.py": "", "service/__init__.py": "import nowhere"},
            "cannot be run by this interpreter .*nowhere",
        ),
        (
            {"service/app.py": "", "service/__init__.py": "def broken("},
            "cannot be run by this interpreter .*SyntaxError",
        ),
        ({"service/app.py": "", "service/__init__.py": "raise SystemExit(3)"}, "cannot be run by this interpreter"),
    ],
)
def test_a_folder_that_is_no_tree_of_a_service_is_wrong_input(
    tmp_path: Path, files: dict[str, str], complaint: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        OtherTree.at(tmp_path)
    assert call("bench", "serving", "--quick", "--against", str(tmp_path)).code == 2


def test_every_server_below_the_bare_application_gives_the_service_s_body(servers: Servers) -> None:
    path = "/v1/users/u3/titles/t5/artwork"
    bare = [name for name in BARE_COMMANDS if name in servers]
    assert UVICORN in bare
    for name in bare:
        # Asked again where a busy machine lets the row come too late.
        assert any(servers[name].get(path) == servers[OURS].get(path) for _ in range(50)), name
        assert servers[name].get("/v1/users/u3/titles/nope/artwork")[0] == 404


def test_a_server_that_cannot_start_says_what_it_wrote(servers: Servers, tmp_path: Path) -> None:
    nowhere = BreakableStore(tmp_path / "nowhere")
    with (
        pytest.raises(SurroundingsError, match=r"(?s)naive ended with code .* at its start:.*nowhere"),
        running(NAIVE, nowhere, None),
    ):
        pass


def test_no_rounds_are_wrong_input() -> None:
    assert call("bench", "serving", "--rounds", "0").code == 2


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Any, Path]:
    """Exit code, document and page of a short run."""
    page = tmp_path_factory.mktemp("reports") / "serving.html"
    called = call("bench", "serving", "--quick", "--servers", "--against", str(ROOT), "--json", "--report", str(page))
    assert called.out, called.err
    return called.code, json.loads(called.out), page


@pytest.mark.faults
def test_a_short_run_measures_every_contender_in_both_loops(ran: tuple[int, Any, Path]) -> None:
    _, found, _ = ran
    names = [name for name, (server, _, _) in contenders.ASKED_OF.items() if is_installed(server)]
    assert [case["name"] for case in found["cases"]] == names
    for case in found["cases"]:
        assert case["closed"]["rate"]["median"] > 0
        assert (case["highest"] is None) == (case["steady"] is None) == (case["name"] in contenders.BARE)
        if case["steady"]:
            assert case["highest"]["rate"] > 0
            assert case["steady"]["p50_ms"]["median"] <= case["steady"]["max_ms"]["median"]
            assert [percent for percent, _ in case["steady"]["curve"]][-1] == pytest.approx(99.99)
    assert [each["fault"] for each in found["broken"]] == list(FAULTS_JUDGED.values())
    assert [each["what"] for each in found["ratios"]] == [
        f"{ours}, beside {name}" for ours, others in SHOWN for name in others if name in names
    ]


@pytest.mark.faults
def test_the_exit_code_of_a_short_run_follows_its_verdicts(ran: tuple[int, Any, Path]) -> None:
    code, found, _ = ran
    missed = [each for each in found["judged"] if each["verdict"] not in {"met", "aim reached"}]
    lost = [lost for each in found["broken"] for lost in each["lost"]]
    assert found["passed"] == (not missed and not lost and not found["overload"]["wrong_statuses"])
    assert code == (0 if found["passed"] else 1)


@pytest.mark.faults
def test_a_short_run_writes_a_page_and_says_what_is_missing(ran: tuple[int, Any, Path]) -> None:
    _, found, page = ran
    assert "artwork bench serving --quick" in page.read_text(encoding="utf-8")
    named = {line.partition(" ")[0] for line in found["setup"]["missing"]}
    assert named == {name for name in (WEBDIS, *SERVERS) if not is_installed(name)}


def test_a_driver_that_cannot_hold_the_rate_is_saturated(servers: Servers) -> None:
    [contender] = contenders.make(GROUND, {NAIVE: servers[NAIVE]})
    assert driving.is_saturated(contender, 300_000, 0.1, None)
