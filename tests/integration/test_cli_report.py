"""``artwork report``: one sentence, what needs somebody, a page without script, and 1 on an alarm."""

import json
import re
import shutil
from dataclasses import replace
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest
import redis
from make_impressions import make_generation, silent
from shell import call
from simulated_days import FIRST_DAY, SimulatedWorkspace
from watched_workspace import AT, DAYS, Damage, build_watched, damage_days

from artwork.reports.health_findings import DeadLetters, Serving
from artwork.reports.health_page import render_health
from artwork.reports.health_words import HEALTHY, health
from artwork.running_service import recorded
from artwork.web.figures.health import read_dead_letters, read_serving
from bandit.errors import InputError
from bandit.monitoring.signals import CLICKS, CONTEXTS, EVERYBODY, PROPENSITIES, RATE, TIMELY
from bandit.snapshot import DEAD_EVENTS_KEY
from batch.config import Config
from batch.datasets import synthetic
from batch.events.dead_letters import letter
from batch.monitoring.drift import watch_workspace
from batch.monitoring.gather import gather
from batch.store.embedded import running_store
from batch.workspace.generations import folder_of
from batch.workspace.impressions import day_files, day_folder, days
from batch.workspace.workspace import Workspace


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody else writes here."""
    return build_watched(tmp_path_factory.mktemp("watched")).workspace.root


@pytest.fixture
def loop(built: Path, tmp_path: Path) -> SimulatedWorkspace:
    shutil.copytree(built, tmp_path / "workspace")
    return SimulatedWorkspace.of(tmp_path / "workspace", Config(seed=5))


def report(workspace: Workspace, *words: str, code: int = 0, **variables: str) -> str:
    page = workspace.root.parent / "page.html"
    on = max(days(workspace), default=FIRST_DAY) + timedelta(days=1)
    answer = call(
        "report", "--workspace", str(workspace.root), "--report", str(page), "--on", on.isoformat(), *words, **variables
    )
    assert answer.code == code, answer
    return answer.out


def document(workspace: Workspace, *words: str, code: int = 0) -> dict[str, object]:
    read: dict[str, object] = json.loads(report(workspace, "--json", *words, code=code))
    return read


def test_a_good_workspace_is_healthy_and_its_page_needs_neither_script_nor_network(loop: SimulatedWorkspace) -> None:
    out = report(loop.workspace, "--watch")
    page = (loop.workspace.root.parent / "page.html").read_text()
    assert out.splitlines()[0] == HEALTHY
    assert len(page.encode()) < 100_000
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=", page)
    assert f'<p class="verdict">{HEALTHY}</p>' in page
    assert 'name="viewport"' in page


def test_the_document_has_every_figure(loop: SimulatedWorkspace) -> None:
    made = document(loop.workspace)
    assert {
        "sentence",
        "is_healthy",
        "alarm",
        "day",
        "needs_you",
        "sections",
        "figures",
        "serving",
        "dead_letters",
    } == set(made)
    figures = made["figures"]
    assert isinstance(figures, dict)
    assert figures["drift"]["nights"] == DAYS - 2
    change = figures["change"]
    assert sum(part["value"] for part in change["parts"]) == pytest.approx(change["total"]["value"], abs=1e-12)
    assert change["after"] - change["before"] == pytest.approx(change["total"]["value"], abs=1e-12)
    assert [part["name"] for part in change["parts"]] == ["policy", "mix", "world"]


def dead_feature(rows: pl.DataFrame) -> pl.DataFrame:
    kept = pl.concat_list(
        [pl.col("context").list.get(place) * (place != 2) for place in range(len(rows["context"][0]))]
    )
    return rows.with_columns(context=kept)


def wrong_propensity(rows: pl.DataFrame) -> pl.DataFrame:
    own = (pl.col("arm") == 1) & (pl.col("policy") != "uniform")
    stated = pl.when(own).then(pl.col("propensity") * 1.5).otherwise("propensity")
    return rows.with_columns(propensity=stated.clip(0.0, 1.0))


def starved(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("arm") != 2)


def clickbait(rows: pl.DataFrame) -> pl.DataFrame:
    own = pl.col("clicked") & (pl.col("event_id").hash(seed=0) % 3 > 0)
    return rows.with_columns(
        watch_fraction=pl.when(own).then(pl.col("watch_fraction") * 0.3).otherwise("watch_fraction")
    )


@pytest.mark.parametrize(
    ("damage", "signal", "words", "command"),
    [
        (dead_feature, CONTEXTS, "the contexts' ", "artwork data check"),
        (wrong_propensity, PROPENSITIES, " times as often as its propensities say", "artwork generations rollback"),
        (starved, PROPENSITIES, " times as often as its propensities say", "artwork generations rollback"),
        (clickbait, CLICKS, "takes per click fell by ", "artwork catalogue show"),
    ],
    ids=["dead feature", "propensity", "starved", "clickbait"],
)
def test_what_went_wrong_is_said_with_its_day_and_what_to_run(
    loop: SimulatedWorkspace, damage: Damage, signal: str, words: str, command: str
) -> None:
    damage_days(loop.workspace, damage)
    drift, _ = watch_workspace(loop.workspace, silent)
    own = next(state for state in drift.signals if state.name == signal)
    first = own.alarms[0]
    assert abs((date.fromisoformat(first.since) - FIRST_DAY).days - AT) <= 1
    ended = replace(drift, last_day=first.day)  # as it was told on the night of the alarm
    said = health(replace(gather(loop.workspace, silent), drift=ended), Serving(None), DeadLetters(0))
    [finding] = [finding for finding in said.needs_you if finding.state == "alarm" and finding.name == signal]
    assert (words in finding.text, finding.since, finding.command) == (True, first.since, command)
    assert said.alarm


def test_an_alarm_of_the_newest_night_exits_1_with_watch_alone(loop: SimulatedWorkspace) -> None:
    damage_days(loop.workspace, starved)
    made = gather(loop.workspace, silent)
    first = next(state.alarms[0] for state in made.drift.signals if state.alarms)
    for day in range((date.fromisoformat(first.day) - FIRST_DAY).days + 2, DAYS):
        shutil.rmtree(day_folder(loop.workspace, FIRST_DAY + timedelta(days=day)))
    assert report(loop.workspace, "--watch", code=1).splitlines()[0].endswith("run `artwork generations rollback`")
    report(loop.workspace)


def test_a_log_that_ended_exits_1_with_watch_and_a_wrong_day_with_2(loop: SimulatedWorkspace) -> None:
    assert report(loop.workspace, "--watch", "--on", "2026-01-17", code=1).startswith(
        "the log ends on 2026-01-14, 3 days"
    )
    page = str(loop.workspace.root.parent / "page.html")
    answer = call("report", "--workspace", str(loop.workspace.root), "--report", page, "--on", "yesterday")
    assert (answer.code, "--on is 'yesterday'" in answer.err) == (2, True)


def test_a_second_look_reads_no_night_again_and_says_the_same(loop: SimulatedWorkspace) -> None:
    first, _ = watch_workspace(loop.workspace, silent)
    kept = sorted((loop.workspace.root / "monitoring").glob("*.json"))
    written = [path.stat().st_mtime_ns for path in kept]
    second, _ = watch_workspace(loop.workspace, silent)
    assert len(kept) == DAYS - 2
    assert [path.stat().st_mtime_ns for path in kept] == written
    assert first == second


def test_a_night_whose_files_changed_is_read_again(loop: SimulatedWorkspace) -> None:
    watch_workspace(loop.workspace, silent)
    damage_days(loop.workspace, starved, AT, AT)
    _, nights = watch_workspace(loop.workspace, silent)
    assert nights[AT - 1].bets["arm 2"].shown == 0
    assert nights[AT].bets["arm 2"].shown > 0


def test_a_kept_night_that_is_damaged_is_read_again(loop: SimulatedWorkspace) -> None:
    first, _ = watch_workspace(loop.workspace, silent)
    awkward = [b"", b"[]", b"{", b'{"key": 1}', b"\xff\xfe", b"null", b"[" * 100_000]
    changes: list[dict[str, object]] = [
        {"users": 1e400},
        {"day": 1},
        {"bets": [["arm 1", [0.0], 1.0, 1.0, 1.0]]},
        {"features": [["age", float("nan"), 1.0, 3.0]]},
        {"ratios": [[RATE, EVERYBODY, -1.0, 1.0]]},
    ]
    paths = sorted((loop.workspace.root / "monitoring").glob("*.json"))
    assert len(paths) == len(awkward) + len(changes)
    for path, raw in zip(paths, awkward, strict=False):
        path.write_bytes(raw)
    for path, change in zip(paths[len(awkward) :], changes, strict=True):
        kept = json.loads(path.read_bytes())
        path.write_text(json.dumps(kept | {"night": kept["night"] | change}))
    second, _ = watch_workspace(loop.workspace, silent)
    assert second == first


def test_artworks_that_a_newer_generation_knows_alone_are_not_starved(loop: SimulatedWorkspace) -> None:
    newer = make_generation(loop.workspace, config=loop.config)
    path = folder_of(loop.workspace, newer) / "catalogue.parquet"
    catalogue = pl.read_parquet(path)
    more = [catalogue.head(1).with_columns(pl.lit(f"new {n}").alias("artwork_id")) for n in range(3)]
    pl.concat([*more, catalogue]).write_parquet(path)
    many = [pl.col("event_id") + f" {n}" for n in range(60)]  # so that the floor promises something
    damage_days(loop.workspace, lambda rows: pl.concat([rows.with_columns(own) for own in many]), DAYS - 1)
    made = gather(loop.workspace, silent)
    assert made.generation == newer
    assert [own for own in made.starving if "/new" in own.name] == []


def test_without_users_who_explore_rewards_are_not_watched_and_it_says_so(loop: SimulatedWorkspace) -> None:
    damage_days(loop.workspace, lambda rows: rows.filter(pl.col("policy") != "uniform"), first=1)
    out = render_health(health(gather(loop.workspace, silent), Serving(None), DeadLetters(0)))
    assert "reward rate: not watched: " in out
    assert "no impression is under uniform" in out


def test_contexts_of_another_length_are_not_held_against_the_frozen_model(loop: SimulatedWorkspace) -> None:
    damage_days(loop.workspace, lambda rows: rows.with_columns(pl.col("context").list.head(5)), first=1)
    drift, nights = watch_workspace(loop.workspace, silent)
    assert all(night.ratios.keys() <= {(TIMELY, EVERYBODY)} for night in nights)
    assert {state.name for state in drift.signals if state.evidence is None} >= {RATE, CLICKS}


def test_after_explore_days_the_first_model_that_knows_contexts_is_frozen(tmp_path: Path) -> None:
    loop = SimulatedWorkspace.build(tmp_path, synthetic.build(60, 6, seed=5), Config(seed=5, explore_share=0.5))
    frozen, watched = [], []
    for day in range(5):
        if day < 3:
            loop.explore(day)
        else:
            loop.play(day, make_generation(loop.workspace, config=loop.config))
        drift, _ = watch_workspace(loop.workspace, silent)
        frozen.append(drift.frozen)
        watched.append(drift.first_day)
    # Generation 2 learned of day 0 and draws for everybody at random; 4 learned of days 0 to 2, and draws day 3.
    assert frozen == [None, None, 2, None, 4]
    assert watched == [None, None, "2026-01-02", None, "2026-01-04"]


@pytest.mark.parametrize("damage", [b"", b"no parquet", b"PAR1"])
def test_a_day_that_cannot_be_read_is_wrong_input_and_named(loop: SimulatedWorkspace, damage: bytes) -> None:
    [path] = day_files(loop.workspace, FIRST_DAY + timedelta(days=5))
    path.write_bytes(damage or b"\0")
    with pytest.raises(InputError, match="day=2026-01-06"):
        watch_workspace(loop.workspace, silent)


def test_generations_that_are_gone_leave_propensities_unwatched(loop: SimulatedWorkspace) -> None:
    for number in (3, 4, 5, 6, 7):
        shutil.rmtree(folder_of(loop.workspace, number))
    made = gather(loop.workspace, silent)
    out = render_health(health(made, Serving(None), DeadLetters(0)))
    assert made.change is not None
    assert "is not in the workspace, or not as it was made" in out


METRICS = """# TYPE artwork_request_seconds histogram
artwork_request_seconds_bucket{route="/v1/users/{user_id}/artwork",le="0.001"} 90.0
artwork_request_seconds_bucket{route="/v1/users/{user_id}/artwork",le="0.008"} 100.0
artwork_request_seconds_bucket{route="/v1/users/{user_id}/artwork",le="+Inf"} 100.0
artwork_store_breaker_open{worker="0"} 0.0
artwork_store_breaker_open{worker="1"} 1.0
artwork_catalogue_age_seconds{worker="0"} 7200.0
artwork_generation{worker="0"} 17.0
artwork_event_requests_refused_total{reason="backpressure"} 3.0
artwork_client_connections_refused_total{reason="many"} 2.0
"""


class Metrics(BaseHTTPRequestHandler):
    body = METRICS.encode()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the base class's
        """Say nothing."""


def test_a_service_that_runs_is_asked_for_its_metrics(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Metrics) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        with recorded(tmp_path, f"http://127.0.0.1:{server.server_port}"):
            serving = read_serving(tmp_path)
        server.shutdown()
        thread.join()
    assert (serving.look_ups, serving.refused, serving.generation) == (100, 5, 17)
    assert (serving.breaker_open, serving.catalogue_age_seconds) == (True, 7200.0)
    assert serving.p99_ms == pytest.approx(1 + 7 * 0.9)
    assert read_serving(tmp_path) == Serving(None, "no service runs")


def test_a_workspace_that_is_no_folder_is_wrong_input(tmp_path: Path) -> None:
    answer = call("report", "--workspace", str(tmp_path / "nothing"))
    assert (answer.code, "is not a folder" in answer.err) == (2, True)


def test_an_empty_workspace_says_what_is_not_known_and_why(workspace: Workspace) -> None:
    out = report(workspace, "--watch")
    assert out.startswith("nothing can be said yet: the log is empty")
    assert "not watched: the log is empty" in out
    assert "no service runs" in out


def test_dead_letters_are_counted_where_the_store_runs_and_none_is_started_for_them(
    workspace: Workspace, client: redis.Redis, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "does not run" in read_dead_letters(workspace.root).reason
    assert running_store(workspace.root) is None
    monkeypatch.setenv("ARTWORK_EVENTS_URL", store)
    assert read_dead_letters(workspace.root) == DeadLetters(0)
    for number, reason in enumerate(("no JSON", "\x1b[2J<b>" + "x" * 10_000)):
        client.xadd(DEAD_EVENTS_KEY, letter("art:events:0", f"{number}-0", {b"batch": b"?"}, reason), f"{1 + number}-0")
    dead = read_dead_letters(workspace.root)
    assert (dead.count, dead.newest) == (2, "1970-01-01T00:00:00+00:00")
    assert dead.why.isprintable()
    assert len(dead.why) < 100
    assert "2 entries of the streams" in report(workspace, ARTWORK_EVENTS_URL=store)
    client.delete(DEAD_EVENTS_KEY)
    client.set(DEAD_EVENTS_KEY, "no stream")
    assert "WRONGTYPE" in read_dead_letters(workspace.root).reason
    out = report(workspace, ARTWORK_EVENTS_URL="redis://:secret@127.0.0.1:1")
    assert "dead letters: not known, because" in out
    assert "secret" not in out


def test_artworks_that_came_lately_are_counted_by_what_became_of_them(loop: SimulatedWorkspace) -> None:
    workspace = loop.workspace
    newest = max(days(workspace))
    artworks = pl.read_parquet(workspace.artworks).sort("title_id", "artwork_id")
    before = gather(workspace, silent).new_artworks
    assert before is not None
    assert before.came == 0  # whole titles are no new artworks
    titles = artworks["title_id"].unique(maintain_order=True).to_list()[:3]
    shown = pl.read_parquet(day_files(workspace, newest), hive_partitioning=False)
    most = shown.filter(pl.col("title_id") == titles[0]).group_by("artwork_id").len().sort("len", "artwork_id")
    leads, trails = most["artwork_id"][-1], most["artwork_id"][0]
    assert most["len"][-1] > most["len"][-2]
    late = {(titles[0], leads): 13, (titles[0], trails): 13, (titles[1], artworks["artwork_id"][0]): 14}
    at = [newest - timedelta(days=late.get(key, 300)) for key in artworks.select("title_id", "artwork_id").rows()]
    artworks.with_columns(added_at=pl.Series(at)).write_parquet(workspace.artworks)
    made = gather(workspace, silent).new_artworks
    assert made is not None
    assert (made.came, made.leading) == (2, 1)
    assert (made.new, made.share) == (before.new, before.share)
