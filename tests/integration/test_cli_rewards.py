"""Several objectives by the command line: a generation that learns them, what judges it, and rewards side by side in a world."""

import json
import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import naive
import numpy as np
import polars as pl
import pytest
from make_impressions import FIRST_DAY, draw_impressions, picks_of
from scipy.stats import chi2
from shell import assert_refused, call

from artwork.compare.rewards import GRID
from artwork.web.days import Days
from artwork.web.figures.calibration import Calibration
from bandit.monitoring.signals import RATE
from batch.learning.day_rows import rewards_of
from batch.monitoring.frozen import FrozenModel
from batch.monitoring.nights import NightReader
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.impressions import append_impressions, read_day
from batch.workspace.workspace import Workspace

MIXED = "weighted_sum:take=0.6,freshness=0.1,diversity=0.3"
TEXT = "weighted_sum:take=0.6,take.engaged_fraction=0.7,freshness=0.1,freshness.half_life=14.0,diversity=0.3"
DAYS = 2


@pytest.fixture
def logged(workspace: Workspace) -> Workspace:
    """Two days on which 100 users were shown several titles each."""
    few = pl.read_parquet(workspace.users)
    few[:100].write_parquet(workspace.users)
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        append_impressions(workspace, day, draw_impressions(workspace, day, 1500))
    return workspace


def trained(workspace: Workspace, *words: str) -> int:
    """A generation that was made by two commands."""
    root = str(workspace.root)
    for command in (("train", *words), ("precompute",)):
        answer = call(*command, "-w", root)
        assert answer.code == 0, answer.err
    return max(int(path.name) for path in workspace.generations.iterdir() if path.name.isdecimal())


def test_a_generation_learns_the_sum_that_the_log_is_judged_by(logged: Workspace, tmp_path: Path) -> None:
    generation = trained(logged, "--reward", MIXED)
    manifest = read_manifest(logged, generation)
    assert manifest.config.rewards == (TEXT,)
    n_features = len(pl.read_parquet(logged.users)["context"][0])
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        rewards = rewards_of(read_day(logged, day, n_features), MIXED, logged, day)
        assert manifest.days[day.isoformat()].rewards == pytest.approx(rewards.sum())
    told = call("explain", "--user", "u0001", "--title", "t0001", "--json", "-w", str(logged.root))
    assert told.code == 0, told.err
    words = ("--reward", MIXED, "--policies", "uniform", "--estimators", "ips", "--split", "0.5", "--resamples", "20")
    judged = call("compare", *words, "-w", str(logged.root), "--report", str(tmp_path / "page.html"))
    assert "diversity is that beside what else was logged on the user's day" in judged.out
    report = call("report", "-w", str(logged.root), "--report", str(tmp_path / "report.html"))
    assert report.code in {0, 1}, report.err


def test_nights_that_are_watched_are_read_again_when_themes_change(logged: Workspace) -> None:
    generation = trained(logged, "--reward", MIXED)

    def rewards() -> float:
        reader = NightReader(logged, FrozenModel(logged, read_manifest(logged, generation)))
        nights = [reader.read(FIRST_DAY + timedelta(days=number)) for number in range(DAYS)]
        return sum(ratio.seen for night in nights for (signal, _), ratio in night.ratios.items() if signal == RATE)

    first = rewards()
    artworks = pl.read_parquet(logged.artworks)
    artworks.with_columns(theme=pl.lit("sea")).write_parquet(logged.artworks)
    assert rewards() != pytest.approx(first, rel=0.01)
    artworks.write_parquet(logged.artworks)
    assert rewards() == pytest.approx(first)


def test_the_calibration_of_a_day_is_read_again_when_themes_change(logged: Workspace) -> None:
    trained(logged, "--reward", "diversity", "--explore-share", "0")
    day = FIRST_DAY + timedelta(days=DAYS)
    append_impressions(logged, day, draw_impressions(logged, day, 1500).with_columns(policy=pl.lit("thompson")))
    calibration = Calibration(logged, Days(logged))
    assert np.mean([one.observed for one in calibration.get().bins]) > 0.2
    artworks = pl.read_parquet(logged.artworks)
    artworks.with_columns(theme=pl.lit("sea")).write_parquet(logged.artworks)
    assert np.mean([one.observed for one in calibration.get().bins]) < 0.01


def test_its_picks_are_drawn_by_their_weights(logged: Workspace) -> None:
    """Each weight is that of the slow twin, and arms come as often as weights say."""
    generation = trained(logged, "--reward", MIXED, "--explore-share", "0")
    folder, picks = folder_of(logged, generation), picks_of(logged, generation)
    total = read_manifest(logged, generation).config.total
    users = pl.read_parquet(logged.users)["user_id"]
    titles = sorted(picks["title_id"].unique())
    expected, variance, counts = np.zeros(20), np.zeros((20, 20)), np.zeros(20)
    for user in range(0, 100, 2):
        own = picks.filter(pl.col("user_id") == users[user]).sort("title_id")
        for title in range(len(titles)):
            weights = np.array(naive.weights_from_files(folder, user, title))
            arm, weight = int(own["arm"][title]), int(own["weight"][title])
            assert abs(weight - weights[arm]) <= 1
            p = weights / total
            k = len(p)
            expected[:k] += p
            variance[:k, :k] += np.diag(p) - np.outer(p, p)
            counts[arm] += 1
    used = np.flatnonzero(expected > 5)[:-1]
    off = (counts - expected)[used]
    assert chi2.sf(off @ np.linalg.solve(variance[np.ix_(used, used)], off), len(used)) > 1e-3


def test_a_reward_that_nothing_earned_is_told(logged: Workspace) -> None:
    root = str(logged.root)
    for word, is_told in (("freshness:half_life=1", True), ("freshness:half_life=1e6", False), ("take", False)):
        answer = call("train", "--reward", word, "-w", root)
        assert answer.code == 0, answer.err
        assert ("nothing to learn: freshness:half_life=1.0 is 0 for all that was shown" in answer.out) == is_told
    made = json.loads(call("train", "--reward", "freshness:half_life=1", "--json", "-w", root).out)
    assert made["without_reward"] == ["freshness:half_life=1.0"]


def test_two_variants_with_rewards_of_their_own_live_side_by_side(logged: Workspace) -> None:
    generation = trained(logged, "--variant", "usual=reward=take", "--variant", "varied=reward=diversity")
    assert read_manifest(logged, generation).config.rewards == ("take:engaged_fraction=0.7", "diversity")


def test_a_reward_that_is_not_known_is_refused_before_anything_is_made(logged: Workspace) -> None:
    for word, said in (
        ("weighted_sum:take=1,freshness=0.1", "add up to 1.1"),
        ("freshness:half_life=0", "half_life is 0.0"),
        ("novelty", "choose one of take, click, watched_fraction, freshness, diversity, weighted_sum"),
    ):
        assert_refused(call("train", "--reward", word, "-w", str(logged.root)), 2, said)
    assert not any(path.name.isdecimal() for path in logged.generations.glob("*"))


DIALS = ("--users", "40", "--titles", "8", "--days", "4", "--explore-days", "2", "--resamples", "200", "--seeds", "3")
WORLD = ("compare", "--world", "synthetic", *DIALS)
CHOSEN = ("--rewards", "take", "--rewards", "click", "--rewards", "weighted_sum:take=0.7,diversity=0.3")


def test_rewards_stand_side_by_side_with_their_front(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    text = call(*WORLD, *CHOSEN, "--report", str(page))
    made: dict[str, Any] = json.loads(call(*WORLD, *CHOSEN, "--report", str(page), "--json").out)
    assert text.code == 0, text.err
    settings = made["settings"]
    assert [one["reward"] for one in settings] == ["take", "click", "weighted_sum:take=0.7,diversity=0.3"]
    assert [one["is_default"] for one in settings] == [True, False, False]
    points = [
        [one["figures"][name]["mean"] for name in ("click_through", "completion", "diversity")] for one in settings
    ]
    for place, one in enumerate(settings):
        dominating = [
            other + 1
            for other, there in enumerate(points)
            if all(x >= y for x, y in zip(there, points[place], strict=True)) and there != points[place]
        ]
        assert one["dominated_by"] == dominating
        assert one["is_on_front"] == (not dominating)
        assert set(one["beaten_by"]) <= set(dominating)
        for name, mean in zip(("click_through", "completion", "diversity"), points[place], strict=True):
            lead = one["beside_default"][name]
            assert lead["mean"] == pytest.approx(mean - settings[0]["figures"][name]["mean"], abs=1e-12)
            assert lead["lower"] <= lead["mean"] <= lead["upper"]
    assert settings[1]["figures"]["clickbait"]["mean"] > settings[0]["figures"]["clickbait"]["mean"]
    for words in ("the default reward, take, is", "clicks alone show clickbait", "(uniform choice)", "cannot be told"):
        assert words in text.out
    written = page.read_text(encoding="utf-8")
    assert written.count("<figure") == 2
    assert not re.search(r"<script|<link|@import|https?:", written)
    told = (
        "--resamples",
        "200",
        "--seeds",
        "3",
        "--users",
        "40",
        "--titles",
        "8",
        "--days",
        "4",
        "--explore-days",
        "2",
    )
    again = shlex.join(["artwork", "compare", "--world", "synthetic", *told, *CHOSEN, "--seed", "0"])
    assert f"<code>{again}</code>" in written


def test_the_grid_has_the_default_clicks_alone_and_weights_between(tmp_path: Path) -> None:
    words = ("--seeds", "1", "--users", "12", "--titles", "4", "--days", "2", "--explore-days", "1", "--json")
    given = ("compare", "--world", "synthetic", "--rewards", "grid", *words, "--report", str(tmp_path / "page.html"))
    answer = call(*given)
    assert answer.code == 0, answer.err
    made = json.loads(answer.out)
    assert [one["reward"] for one in made["settings"]] == list(GRID)
    assert all(one["front_share"] is None for one in made["settings"])
    assert all(len(one["alike"]) == len(GRID) - 1 for one in made["settings"])  # of one seed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rewards", "likes"), "no reward 'likes'"),
        (("--rewards", "take,click"), "repeat the option, as in --rewards take --rewards click"),
        (("--rewards", "take", "--rewards", "take:engaged_fraction=0.7"), "twice"),
        (("--rewards", "grid", "--policies", "thompson,greedy"), "one policy with one posterior"),
        (("--rewards", "grid", "--posterior", "linear,beta"), "one policy with one posterior"),
        (("--rewards", "grid", "--policies", "uniform"), "that learns"),
        (("--rewards", "grid", "--split", "0.3"), "--split has no effect on a comparison of rewards"),
        (("--rewards", "grid", "--age-hours", "24"), "--age-hours has no effect on a comparison of rewards"),
        (("--rewards", "grid", "--level", "1.5"), "level is 1.5, expected a share"),
    ],
)
def test_what_does_not_fit_is_refused(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    small = ("--users", "12", "--titles", "4", "--days", "2", "--explore-days", "1", "--seeds", "1")
    page = tmp_path / "page.html"
    assert_refused(call("compare", "--world", "synthetic", *small, *words, "--report", str(page)), 2, said)
    assert not page.exists()


def test_rewards_have_no_effect_on_a_log(workspace: Workspace) -> None:
    assert_refused(call("compare", "--rewards", "grid", "-w", str(workspace.root)), 2, "--rewards has no effect")
