"""The demo as a person runs it, on drawn users so that it needs no network: twice as a whole, else day by day."""

import json
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from learned_workspace import silent
from on_disk import OnDisk, explore
from shell import artwork, assert_refused, call

from artwork.demo.answers import ServiceClient
from artwork.demo.loop import EXPLORE_DAYS, Loop
from batch.config import Config
from batch.store.embedded import store_pid
from batch.workspace.generations import finished, read_manifest
from batch.workspace.workspace import Workspace

USERS, SEED, DAYS, JOIN_DAY = 160, 7, 4, 3
# On a busy machine a read may miss the service's deadline and be answered by popularity; here every read is waited for.
PATIENT = {"ARTWORK_STORE_DEADLINE_MS": "5000"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``artwork data`` leaves it."""
    root = tmp_path_factory.mktemp("demo") / "tables"
    made = call("data", "synthetic", "--users", str(USERS), "--titles", "20", "--seed", "9", "--workspace", str(root))
    assert made.code == 0, made.err
    return root


@pytest.fixture(scope="module")
def ground(tables: Path) -> Path:
    """A copy of it, in which both demos play one after the other."""
    return shutil.copytree(tables, tables.parent / "ground")


@pytest.fixture(scope="module")
def full(ground: Path) -> subprocess.CompletedProcess[str]:
    """A demo with a second policy and artworks that are held back at first."""
    words = ("--days", str(DAYS), "--posterior", "shared", "--against", "uniform", "--new-artworks", "0.3")
    return artwork("demo", "--once", "--json", *words, "--workspace", str(ground), **PATIENT)


@pytest.fixture(scope="module")
def outcome(full: subprocess.CompletedProcess[str]) -> Any:
    """What the full demo came to."""
    assert full.returncode == 0, full.stderr
    return json.loads(full.stdout)


@pytest.fixture(scope="module")
def plain(outcome: Any, ground: Path) -> Any:
    """What a demo without either came to, in the folder that the full one leaves."""
    done = artwork("demo", "--once", "--json", "--days", "1", "--workspace", str(ground), **PATIENT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def live(days: Sequence[Any]) -> Sequence[Any]:
    return days[EXPLORE_DAYS:]


def test_a_demo_ends_well_and_the_policy_is_above_uniform(outcome: Any, plain: Any) -> None:
    for each in (outcome, plain):
        assert each["above_uniform"]
        assert 0 < each["lower"] < each["difference"] < each["upper"]


def test_live_days_were_answered_by_the_service_from_personal_picks(outcome: Any) -> None:
    days = live(outcome["days"])
    assert all(day["p99_ms"] > 0 for day in outcome["days"])
    assert all(day["sources"].get("personalized", 0) > 0.9 * day["impressions"] for day in days)
    assert len({day["generation"] for day in days}) == len(outcome["nights"]) == DAYS


def test_the_last_day_shows_less_clickbait_than_uniform(outcome: Any) -> None:
    last = outcome["days"][-1]
    assert last["clickbait"] < last["clickbait_uniform"]
    assert last["uniform"] < last["take_rate"] < last["best"]


def test_the_demo_leaves_no_store_running_and_the_tables_as_they_were(outcome: Any, ground: Path, tables: Path) -> None:
    assert store_pid(ground) is None
    for table in ("titles.parquet", "artworks.parquet", "history.parquet"):
        assert (ground / table).read_bytes() == (tables / table).read_bytes()
    users = [pl.read_parquet(root / "users.parquet").drop("context") for root in (ground, tables)]
    assert users[0].equals(users[1])


def test_artworks_that_were_held_back_join_and_are_shown_where_they_are_best(outcome: Any) -> None:
    *early, third, fourth = [day["newcomers"] for day in outcome["days"]]
    assert outcome["posterior"] == "shared"
    assert early == [None] * (EXPLORE_DAYS + JOIN_DAY - 1)
    for day in (third, fourth):
        assert day["where_best"] > day["elsewhere"]
        assert 0 < day["closed"] < 1


def test_two_policies_are_live_and_what_was_said_of_them_stands_beside_what_they_came_to(outcome: Any) -> None:
    both = outcome["against"]
    for day in live(outcome["days"]):
        assert day["rates"]["thompson"] > day["rates"]["uniform"] > 0
    assert all("rates" not in day for day in outcome["days"][:EXPLORE_DAYS])
    online, offline = both["online"], both["offline"]
    assert (online["policy"]["policy"], online["against"]["policy"]) == ("thompson", "uniform")
    assert online["policy"]["users"] + online["against"]["users"] == USERS
    assert online["days"] == DAYS
    assert online["lower"] > 0
    assert offline["before"]
    assert offline["difference"]["lower"] > 0
    # It is sure of these users, and not of users like them, of whom it has few.
    assert both["outcome"] == "offline could not tell"
    assert "more users unlike the others" in offline["caution"]
    # Half of what the explore days logged judges, and nothing that was live.
    explored = sum(day["impressions"] for day in outcome["days"][:EXPLORE_DAYS])
    assert offline["policy"]["n"] == pytest.approx(explored / 2, rel=0.05)
    # They are an experiment, whose decision is on record. Its looks are planned for more users than these.
    (verdict,) = outcome["verdicts"]
    assert verdict["treatment"] == "uniform"
    assert verdict["verdict"] in {"ROLL BACK", "HOLD", "INVALID"}
    assert Path(outcome["record"]).name == "decision-1.json"  # in a folder that the next demo has cleared


def test_a_demo_of_one_policy_tells_of_one_policy(plain: Any) -> None:
    assert "against" not in plain
    assert all("rates" not in day and day["newcomers"] is None for day in plain["days"])


def test_a_second_demo_begins_anew_and_the_service_answers_what_is_on_disk(
    plain: Any, tables: Path, store: str, tmp_path: Path
) -> None:
    """What was played after another demo in its folder is what a loop comes to that begins with the tables."""
    loop = Loop.of(Workspace(shutil.copytree(tables, tmp_path / "new")), Config(seed=SEED))
    days = [explore(loop, day) for day in range(EXPLORE_DAYS)]
    learned = loop.learn(store, silent).trained.generation
    days.append(loop.live(EXPLORE_DAYS, cast("ServiceClient", OnDisk(loop.workspace, learned)), silent))
    assert [day["take_rate"] for day in plain["days"]] == [day.take_rate for day in days]
    assert [day["clickbait"] for day in plain["days"]] == [day.clickbait for day in days]


@pytest.mark.parametrize(
    ("against", "said"),
    [("thompson", "variants thompson, thompson are the same"), ("magic", "there is no policy 'magic'")],
)
def test_a_second_policy_that_cannot_be_is_refused(against: str, said: str, tmp_path: Path) -> None:
    refused = call("demo", "--once", "--against", against, "--workspace", str(tmp_path / "new"))
    assert_refused(refused, 2, said)
    assert not (tmp_path / "new").exists()


def test_tastes_move_on_a_planned_day_and_the_table_says_when_the_policy_is_back(plain: Any, ground: Path) -> None:
    """On the second live day what was learned is of less use than on the first."""
    words = ("--days", "3", "--shift-on", "2", "--retention", "0.7", "--explore-share", "0.2")
    done = artwork("demo", "--once", *words, "--workspace", str(ground), **PATIENT)
    assert done.returncode in {0, 1}, done.stderr
    lines = done.stdout.splitlines()
    days = [line for line in lines if line.startswith("2026-01-")]
    assert len(days) == EXPLORE_DAYS + 3
    mark = lines.index(days[EXPLORE_DAYS + 1]) - 1
    assert lines[mark].strip().startswith("tastes move: from the next day on whoever liked")
    assert sum("tastes move:" in line for line in lines) == 1
    first, second = (float(day.split()[5].rstrip("%")) for day in days[EXPLORE_DAYS : EXPLORE_DAYS + 2])
    assert second < first
    assert lines[lines.index(days[-1]) + 1].strip().startswith("thompson ")  # and uniform, of those who explore
    assert any(line.startswith("tastes moved on 2026-01-06: back at 90% of what") for line in lines)
    assert any(line.startswith("20% of the users of a live day explored: the table and the verdict") for line in lines)
    manifest = read_manifest(Workspace(ground), max(finished(Workspace(ground), "precomputed")))
    assert (manifest.config.retention, manifest.config.explore_share) == (0.7, 0.2)


@pytest.mark.parametrize("flag", ["--launch-on", "--retire-on", "--shift-on"])
def test_what_happens_on_a_day_that_is_not_played_is_refused(flag: str, tmp_path: Path) -> None:
    refused = call("demo", "--once", "--days", "3", flag, "4", "--workspace", str(tmp_path / "new"))
    assert_refused(refused, 2, f"{flag} is day 4, and --days is 3")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("flag", "value"), [("--retention", "0"), ("--retention", "1.1"), ("--explore-share", "1")])
def test_shares_that_make_no_sense_are_refused(flag: str, value: str, tmp_path: Path) -> None:
    refused = call("demo", "--once", flag, value, "--workspace", str(tmp_path / "new"))
    assert_refused(refused, 2, flag.removeprefix("--").replace("-", "_"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("words", [("--days", "2"), ("--new-artworks", "0.6")], ids=" ".join)
def test_new_artworks_that_could_not_join_are_refused(words: tuple[str, str], tmp_path: Path) -> None:
    wanted = {"--days": "3", "--new-artworks": "0.1"} | dict([words])
    flags = [part for pair in wanted.items() for part in pair]
    refused = call("demo", "--once", "--workspace", str(tmp_path / "new"), *flags)
    assert refused.code == 2
    assert "--new-artworks" in refused.err
    assert not (tmp_path / "new").exists()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert_refused(call("demo", "--once", "--workspace", str(tmp_path)), 2, "name another --workspace")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_policy_that_does_not_learn_is_refused(tmp_path: Path) -> None:
    refused = call("demo", "--policy", "uniform", "--workspace", str(tmp_path / "new"))
    assert_refused(refused, 2, "uniform does not")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("flag", ["--port", "--service-port"])
def test_a_port_that_somebody_has_is_refused_before_anything_is_made(flag: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = call("demo", flag, str(taken.getsockname()[1]), "--workspace", str(tmp_path / "new"))
    assert_refused(refused, 3, "in use")
    assert not (tmp_path / "new").exists()
