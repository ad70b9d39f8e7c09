"""A demo that is watched, from its first night to its end: every control is pressed, and its effect is seen."""

import http.client
import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest
from shell import artwork_started

from artwork.bench.testbed.service_process import free_port
from artwork.demo.days import FIRST_DAY
from artwork.demo.loop import EXPLORE_DAYS
from artwork.demo.play import Plan
from artwork.demo.season import Season
from artwork.web.stage import BusyError, Figures, Mark
from bandit.errors import InputError
from bandit.simulation.world import World
from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.store.client import URL_VARIABLE
from batch.store.embedded import store_pid
from batch.workspace.impressions import day_files
from batch.workspace.overlays import newest_overlay
from batch.workspace.workspace import Workspace

pytestmark = pytest.mark.faults
HANG_SECONDS = 120.0
ORIGIN = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A short folder with tables, as ``artwork data`` leaves it."""
    folder = Path(tempfile.mkdtemp(prefix="artwork-"))
    write(Workspace(folder), synthetic.build(n_users=120, n_titles=20, seed=9))
    yield folder
    shutil.rmtree(folder)


@contextmanager
def playing(root: Path, seconds_per_day: float = 0.0, days: int = 1, shift_on: int | None = None) -> Iterator[Season]:
    plan = Plan(Config.of("thompson", seed=7), days=days, users=None, titles=None, shift_on=shift_on)
    season = Season(
        root,
        plan,
        lambda _line: None,
        terms="",
        seconds_per_day=seconds_per_day,
        service_port=free_port(),
        origins=[ORIGIN],
    )
    thread = Thread(target=season.play, kwargs={"once": False}, daemon=True)
    thread.start()
    try:
        yield season
    finally:
        season.end()
        thread.join(HANG_SECONDS)
    assert not thread.is_alive()


def test_tastes_that_move_on_a_planned_day_are_marked_as_those_that_are_pressed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    with playing(root, days=2, shift_on=2) as season:
        over = until(season, lambda figures: figures.phase == "over")
        on_disk = World.load(season.workspace.truth)
        assert season.world is not None
        assert (season.world.tastes != on_disk.tastes).any()
        [mark] = over.marks
        assert (mark.kind, mark.day) == ("shift-taste", EXPLORE_DAYS)
        assert "the day before" in effect_of(season, mark)
        again = season.press("shift-taste", {})
        assert again.words != mark.words


@pytest.fixture(scope="module")
def season(root: Path) -> Iterator[Season]:
    """A season whose planned days are over; tests follow one another in it."""
    patch = pytest.MonkeyPatch()
    patch.delenv(URL_VARIABLE, raising=False)
    with playing(root) as made:
        until(made, lambda figures: figures.phase == "over")
        yield made
    patch.undo()


def until(season: Season, seen: Callable[[Figures], Any]) -> Figures:
    """The figures once something is seen in them."""
    end = time.monotonic() + HANG_SECONDS
    while not seen(figures := season.figures()):
        assert time.monotonic() < end, figures
        time.sleep(0.02)
    return figures


def pressed(season: Season, action: str, **arguments: Any) -> str:
    """Press a control and wait for its effect."""
    mark = season.press(action, arguments)
    return effect_of(season, mark)


def effect_of(season: Season, mark: Mark) -> str:
    def effect(figures: Figures) -> str | None:
        return next(own.effect for own in figures.marks if own.id == mark.id)

    return str(effect(until(season, lambda figures: effect(figures) is not None)))


def get(season: Season, path: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(season.service).netloc, timeout=20)
    try:
        connection.request("GET", path, headers={"Origin": ORIGIN})
        answer = connection.getresponse()
        assert not path.startswith("/v1") or answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        return json.loads(answer.read())
    finally:
        connection.close()


def test_the_planned_days_were_played_with_their_truth_and_a_night_before_each(season: Season) -> None:
    figures = season.figures()
    assert [day.day for day in figures.days] == list(range(EXPLORE_DAYS + 1))
    assert [day.policy for day in figures.days] == ["uniform"] * EXPLORE_DAYS + ["thompson"]
    assert [night.generation for night in figures.nights] == [1, 2, 3, 4, 5]
    assert all(day.uniform is not None and day.best is not None and day.uniform < day.best for day in figures.days)
    assert {"ingest", "join", "train", "draw", "publish"} <= set(figures.nights[-1].steps)
    assert season.world is not None
    assert season.origin is not None


def test_another_day_is_played_with_a_night_before_it(season: Season) -> None:
    before = season.figures()
    assert "impressions are taken" in pressed(season, "next-day")
    after = until(season, lambda figures: figures.phase == "over")
    assert (len(after.days), len(after.nights)) == (len(before.days) + 1, len(before.nights) + 1)


def test_a_night_outside_of_the_rhythm_learns_what_was_posted(season: Season) -> None:
    generation = season.figures().nights[-1].generation
    assert f"generation {generation + 1} is published" in pressed(season, "learn-now")


def test_a_killed_store_turns_picks_into_popularity_until_it_is_back(season: Season) -> None:
    assert "100% popularity" in pressed(season, "store-stop")
    assert season.figures().store == "stopped"
    for action in ("learn-now", "roll-back", "launch-title", "store-stop"):
        with pytest.raises(BusyError, match="store"):
            season.press(action, {})
    assert "personalized" in pressed(season, "store-back")
    assert season.figures().store == "up"


def test_a_frozen_store_does_the_same(season: Season) -> None:
    assert "100% popularity" in pressed(season, "store-freeze")
    assert "personalized" in pressed(season, "store-back")


def test_a_slow_store_does_the_same(season: Season) -> None:
    assert "100% popularity" in pressed(season, "store-slow", ms=80)
    assert season.figures().store == "slow"
    assert "personalized" in pressed(season, "store-back")


def test_a_day_waits_for_a_store_that_is_away_and_loses_nothing(season: Season) -> None:
    before = season.figures()
    season.press("next-day", {})
    until(season, lambda figures: figures.phase == "visits" and figures.step is not None and figures.step.done > 0)
    season.press("store-stop", {})
    until(season, lambda figures: figures.phase == "waiting")
    season.press("store-back", {})
    after = until(season, lambda figures: len(figures.days) == len(before.days) + 1 and figures.phase == "over")
    assert "is published" in pressed(season, "learn-now")
    last = FIRST_DAY + timedelta(days=after.days[-1].day)
    logged = pl.read_parquet(day_files(season.workspace, last), hive_partitioning=False)
    assert logged.height == after.days[-1].impressions
    assert logged["event_id"].is_unique().all()


def test_the_gate_refuses_what_is_broken(season: Season) -> None:
    assert "the gate refuses" in pressed(season, "publish-broken", fault="nan")


def test_an_artwork_is_retired_at_once(season: Season) -> None:
    shown = get(season, "/v1/users/somebody/titles/t0001/artwork")
    assert "nobody is shown it any more" in pressed(
        season, "retire-artwork", title_id="t0001", artwork_id=shown["artwork_id"]
    )
    assert get(season, "/v1/users/somebody/titles/t0001/artwork")["artwork_id"] != shown["artwork_id"]
    with pytest.raises(BusyError, match="retired already"):
        season.press("retire-artwork", {"title_id": "t0001", "artwork_id": shown["artwork_id"]})
    with pytest.raises(InputError, match="t9999"):
        season.press("retire-artwork", {"title_id": "t9999", "artwork_id": "a01"})


def test_a_title_is_launched_shown_at_once_and_visited_the_next_day(season: Season) -> None:
    world = season.world
    assert world is not None
    effect = pressed(season, "launch-title")
    [title_id] = newest_overlay(season.workspace).added
    assert effect.startswith(title_id)
    assert len(season.world.title_appeal) == len(world.title_appeal) + 1  # type: ignore[union-attr]
    path, default = f"/v1/users/somebody/titles/{title_id}/artwork", newest_overlay(season.workspace).added[title_id]
    wait_for(lambda: get(season, path).get("artwork_id") == default)
    before = season.figures()
    season.press("next-day", {})
    until(season, lambda figures: len(figures.days) == len(before.days) + 1 and figures.phase == "over")


def test_tastes_move_the_truth_follows_and_the_policy_falls_behind(season: Season) -> None:
    before = season.world
    mark = season.press("shift-taste", {})
    season.press("next-day", {})
    assert "the day before" in effect_of(season, mark)
    after = season.world
    assert before is not None
    assert after is not None
    assert (after.tastes != before.tastes).any()
    assert sorted(after.tastes[0].tolist()) == sorted(before.tastes[0].tolist())
    until(season, lambda figures: figures.phase == "over")


def test_half_of_the_users_have_another_policy_from_the_next_night_on_and_back(season: Season) -> None:
    mark = season.press("other-policy", {"policy": "uniform"})
    season.press("next-day", {})
    assert "uniform" in effect_of(season, mark)
    day = until(season, lambda figures: figures.phase == "over").days[-1]
    assert set(day.rates) == {"thompson", "uniform"}
    with pytest.raises(BusyError, match="already"):
        season.press("other-policy", {"policy": "uniform"})
    assert mark.undo == "other-policy"
    assert "everybody has thompson again" in season.press("other-policy", {}).words


def test_an_earlier_generation_is_served_again_from_the_store_or_from_the_disk(season: Season) -> None:
    newest = season.figures().nights[-1].generation
    back = season.press("roll-back", {})
    assert "the service answers from generation" in effect_of(season, back)
    assert get(season, "/readyz")["generation"] < newest
    assert "the service answers from generation 5 " in pressed(season, "roll-back", generation=5)
    assert get(season, "/readyz")["generation"] == 5


def test_a_burst_of_look_ups_is_answered_and_measured(season: Season) -> None:
    effect = pressed(season, "load-burst", per_second=50, seconds=0.5)
    assert "look-ups answered" in effect
    assert "p99" in effect


def test_a_demo_may_be_ended_in_any_state_and_leaves_nothing_running(root: Path, season: Season) -> None:
    season.press("store-freeze", {})
    pid = store_pid_of(root)
    season.end()
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    with pytest.raises(OSError):  # noqa: PT011 - refused, or reset
        get(season, "/livez")


def store_pid_of(root: Path) -> int:
    return int(json.loads((root / "store" / "server.json").read_bytes())["pid"])


def read_address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return next(line for line in process.stdout if "/?token=" in line).split()[-1].strip()


# While the data are made or days pass; and where the player only waits, with a store that does not answer.
ENDED = {"at once": False, "held, with a frozen store": True}


@pytest.mark.parametrize("held", ENDED.values(), ids=ENDED)
def test_the_command_prints_the_address_at_once_and_ctrl_c_ends_all_of_it(held: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="artwork-"))
    try:
        write(Workspace(folder), synthetic.build(n_users=60, n_titles=20, seed=9))
        process = artwork_started("demo", "--days", "1", "--workspace", str(folder), "--port", "0", "--pace", "0")
        page = Page(read_address(process))
        wait_for(lambda: store_pid(folder))
        if held:
            wait_for(lambda: page.live()["phase"] == "over")
            page.press("store-freeze")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANG_SECONDS)
        assert "Traceback" not in err, out
        assert store_pid(folder) is None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Page:
    """The page's own requests."""

    def __init__(self, address: str) -> None:
        self.parts = urlsplit(address)
        answer, _ = self.ask("GET", f"/?{self.parts.query}")
        self.cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]

    def ask(self, method: str, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(self.parts.netloc, timeout=20)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def live(self) -> Any:
        return json.loads(self.ask("GET", "/api/live.json", Cookie=self.cookie)[1])

    def press(self, action: str) -> None:
        origin = f"http://{self.parts.netloc}"
        answer, body = self.ask("POST", f"/api/control/{action}", Cookie=self.cookie, Origin=origin)
        assert answer.status == 202, body


def wait_for(is_so: Callable[[], Any]) -> None:
    end = time.monotonic() + HANG_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)
