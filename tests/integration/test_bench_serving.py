"""The servers of ``artwork bench serving``, started for real, and the whole command."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from shell import call

from artwork.bench.serving import agreement, contenders, driving, wrk
from artwork.bench.serving.contenders import Asked
from artwork.bench.serving.plan import ARTWORKS, GENERATION
from artwork.bench.serving.servers import COMMANDS, NAIVE, OURS, WEBDIS, Running, is_installed, running
from artwork.bench.targets import WrongAnswerError
from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, publish
from bandit.errors import SurroundingsError
from bandit.snapshot import row_key

GROUND = StoreFixture(200, 100, artworks=ARTWORKS)
Servers = dict[str, Running]


@pytest.fixture(scope="module")
def bench_store() -> Iterator[BreakableStore]:
    with TemporaryDirectory() as folder, BreakableStore(Path(folder), forgets=True) as store:
        yield store


@pytest.fixture(scope="module")
def servers(bench_store: BreakableStore) -> Iterator[Servers]:
    """Every server that is installed, on one store."""
    with bench_store.client() as client:
        publish(client, GROUND, GENERATION, flip=1)
    with ExitStack() as stack:
        yield {name: stack.enter_context(running(name, bench_store, None)) for name in COMMANDS if is_installed(name)}


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
    called = call("bench", "serving", "--quick", "--json", "--report", str(page))
    assert called.out, called.err
    return called.code, json.loads(called.out), page


@pytest.mark.faults
def test_a_short_run_measures_every_contender_in_both_loops(ran: tuple[int, Any, Path]) -> None:
    _, found, _ = ran
    names = [name for name, (server, _, _) in contenders.ASKED_OF.items() if is_installed(server)]
    assert [case["name"] for case in found["cases"]] == names
    for case in found["cases"]:
        assert case["closed"]["rate"]["median"] > 0
        assert case["highest"]["rate"] > 0
        assert case["steady"]["p50_ms"]["median"] <= case["steady"]["max_ms"]["median"]
        assert [percent for percent, _ in case["steady"]["curve"]][-1] == pytest.approx(99.99)


@pytest.mark.faults
def test_the_exit_code_of_a_short_run_follows_its_verdicts(ran: tuple[int, Any, Path]) -> None:
    code, found, _ = ran
    missed = [each for each in found["judged"] if each["verdict"] not in {"met", "aim reached"}]
    assert found["passed"] == (not missed and not found["overload"]["wrong_statuses"])
    assert code == (0 if found["passed"] else 1)


@pytest.mark.faults
def test_a_short_run_writes_a_page_and_says_what_is_missing(ran: tuple[int, Any, Path]) -> None:
    _, found, page = ran
    assert "artwork bench serving --quick" in page.read_text(encoding="utf-8")
    assert bool(found["setup"]["missing"]) != is_installed(WEBDIS)
