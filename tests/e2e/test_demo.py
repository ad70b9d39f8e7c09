"""The demo as a person runs it, on drawn users so that it needs no network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batch.store.client import URL_VARIABLE
from batch.store.embedded import store_pid

# On a busy machine a read may miss the service's deadline and be answered by popularity; here every read is waited for.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != URL_VARIABLE} | {
    "ARTWORK_STORE_DEADLINE_MS": "5000"
}


def artwork(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "artwork.cli", *words], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "ground"
    made = artwork("data", "synthetic", "--users", "400", "--titles", "40", "--seed", "9", "--workspace", str(root))
    assert made.returncode == 0, made.stderr
    return root


@pytest.fixture(scope="module")
def played(ground: Path) -> subprocess.CompletedProcess[str]:
    return artwork("demo", "--once", "--days", "3", "--json", "--workspace", str(ground))


def test_the_demo_ends_well_and_the_policy_is_above_uniform(played: subprocess.CompletedProcess[str]) -> None:
    assert played.returncode == 0, played.stderr
    outcome = json.loads(played.stdout)
    assert outcome["above_uniform"]
    assert 0 < outcome["lower"] < outcome["difference"] < outcome["upper"]


def test_live_days_were_answered_by_the_service_from_personal_picks(played: subprocess.CompletedProcess[str]) -> None:
    days = json.loads(played.stdout)["days"]
    live = [day for day in days if day["p99_ms"] > 0]
    assert len(live) == 3
    assert all(day["sources"].get("personalized", 0) > 0.9 * day["impressions"] for day in live)
    assert len({day["generation"] for day in live}) == 3


def test_the_last_day_shows_less_clickbait_than_uniform(played: subprocess.CompletedProcess[str]) -> None:
    last = json.loads(played.stdout)["days"][-1]
    assert last["clickbait"] < last["clickbait_uniform"]
    assert last["uniform"] < last["take_rate"] < last["best"]


def test_the_demo_leaves_no_store_running(played: subprocess.CompletedProcess[str], ground: Path) -> None:
    assert played.returncode == 0
    assert store_pid(ground) is None


def test_a_second_demo_begins_anew_on_the_same_tables(played: subprocess.CompletedProcess[str], ground: Path) -> None:
    again = artwork("demo", "--once", "--days", "3", "--json", "--workspace", str(ground))
    assert [day["take_rate"] for day in json.loads(again.stdout)["days"]] == [
        day["take_rate"] for day in json.loads(played.stdout)["days"]
    ]


def test_artworks_that_were_held_back_join_and_are_shown_where_they_are_best(
    played: subprocess.CompletedProcess[str], ground: Path
) -> None:
    """After ``played``, which it would change: both play in one folder."""
    before = (ground / "artworks.parquet").read_bytes()
    words = ("--posterior", "shared", "--new-artworks", "0.3", "--workspace", str(ground))
    outcome = json.loads(artwork("demo", "--json", "--days", "4", *words).stdout)
    *early, third, fourth = [day["newcomers"] for day in outcome["days"]]
    assert outcome["posterior"] == "shared"
    assert len(outcome["nights"]) == 4
    assert early == [None] * 6
    for day in (third, fourth):
        assert day["where_best"] > day["elsewhere"]
        assert 0 < day["closed"] < 1
    assert (ground / "artworks.parquet").read_bytes() == before


def test_two_policies_are_live_and_what_was_said_of_them_stands_beside_what_they_came_to(
    played: subprocess.CompletedProcess[str], ground: Path
) -> None:
    """After ``played``, as above."""
    words = ("--once", "--days", "2", "--against", "uniform", "--workspace", str(ground))
    done = artwork("demo", "--json", *words)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    both, live = outcome["against"], outcome["days"][-2:]
    for day in live:
        assert day["rates"]["thompson"] > day["rates"]["uniform"] > 0
    assert all("rates" not in day for day in outcome["days"][:-2])
    online, offline = both["online"], both["offline"]
    assert (online["policy"]["policy"], online["against"]["policy"]) == ("thompson", "uniform")
    assert online["policy"]["users"] + online["against"]["users"] == 400
    assert online["days"] == 2
    assert online["lower"] > 0
    assert offline["before"]
    assert offline["difference"]["lower"] > 0
    assert both["outcome"] == "agree"
    # Half of what the explore days logged judges, and nothing that was live.
    explored = sum(day["impressions"] for day in outcome["days"][:-2])
    assert offline["policy"]["n"] == pytest.approx(explored / 2, rel=0.05)
    assert "against" not in json.loads(played.stdout)


@pytest.mark.parametrize(
    ("against", "said"), [("thompson", "is the policy thompson itself"), ("magic", "there is no policy 'magic'")]
)
def test_a_second_policy_that_cannot_be_is_refused(against: str, said: str, tmp_path: Path) -> None:
    refused = artwork("demo", "--once", "--against", against, "--workspace", str(tmp_path / "new"))
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("words", [("--days", "2"), ("--new-artworks", "0.6")], ids=" ".join)
def test_new_artworks_that_could_not_join_are_refused(words: tuple[str, str], tmp_path: Path) -> None:
    wanted = {"--days": "3", "--new-artworks": "0.1"} | dict([words])
    flags = [part for pair in wanted.items() for part in pair]
    refused = artwork("demo", "--once", "--workspace", str(tmp_path / "new"), *flags)
    assert refused.returncode == 2
    assert "--new-artworks" in refused.stderr
    assert not (tmp_path / "new").exists()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    refused = artwork("demo", "--once", "--workspace", str(tmp_path))
    assert refused.returncode == 2
    assert "name another --workspace" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_policy_that_does_not_learn_is_refused(tmp_path: Path) -> None:
    refused = artwork("demo", "--policy", "uniform", "--workspace", str(tmp_path / "new"))
    assert refused.returncode == 2
    assert not (tmp_path / "new").exists()
