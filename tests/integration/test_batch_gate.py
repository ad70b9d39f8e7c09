"""The gate before the flip: what is wrong with a generation is refused and the one before serves on; good nights pass."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import redis
from full_size import size
from make_impressions import (
    ALL_BLOCKS,
    change_picks,
    draw_impressions,
    identity_of,
    make_generation,
    picks_of,
    served,
    silent,
)
from shell import call
from simulated_days import FIRST_DAY, SimulatedWorkspace

from bandit.arrays import I64, U16
from bandit.snapshot import rows_pattern
from batch.choosing.chooser import USERS_A_BLOCK, Chooser
from batch.choosing.precompute import precompute
from batch.config import Config, Variant
from batch.datasets import synthetic
from batch.executors import SerialExecutor
from batch.job import run
from batch.learning.train import train
from batch.publishing.flips import rollback
from batch.publishing.gate import Check, RefusedError, Verdict, judge
from batch.publishing.gate_draws import log_draws
from batch.publishing.publish import publish
from batch.store.client import URL_VARIABLE
from batch.workspace.generations import LearnedDay, Manifest, digest_of, folder_of, read_manifest, write_manifest
from batch.workspace.impressions import append_impressions, day_files
from batch.workspace.workspace import Workspace

EXPLORED = 3
LAST = FIRST_DAY + timedelta(days=EXPLORED)


def build_loop(root: Path, seed: int, config: Config | None = None) -> SimulatedWorkspace:
    return SimulatedWorkspace.build(root, synthetic.build(250, 30, seed=seed), config or Config(seed=seed))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Days of explore data, generation 4 learned from them, and a day of its picks; nobody else writes here."""
    root = tmp_path_factory.mktemp("played")
    loop = build_loop(root, 5)
    for day in range(EXPLORED):
        loop.explore(day)
    loop.play(EXPLORED, make_generation(loop.workspace, config=loop.config))
    return root


@pytest.fixture
def loop(played: Path, tmp_path: Path) -> SimulatedWorkspace:
    shutil.copytree(played, tmp_path, dirs_exist_ok=True)
    return SimulatedWorkspace.of(tmp_path, Config(seed=5))


PARENT = EXPLORED + 1
NIGHT = PARENT + 1


@pytest.fixture(scope="module")
def learned(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with generation 5, the night after that day; nobody else writes here."""
    root = tmp_path_factory.mktemp("learned")
    shutil.copytree(played, root, dirs_exist_ok=True)
    assert a_night(SimulatedWorkspace.of(root, Config(seed=5))) == NIGHT
    return root


@pytest.fixture
def night(learned: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(learned, tmp_path, dirs_exist_ok=True)
    return Workspace(tmp_path)


@pytest.fixture(scope="module")
def trebled_once(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That day with thrice the takes, and generation 5, the night after it, which is refused; nobody else writes here."""
    root = tmp_path_factory.mktemp("trebled")
    shutil.copytree(played, root, dirs_exist_ok=True)
    loop = SimulatedWorkspace.of(root, Config(seed=5))
    change_rewards(loop, times(loop, 3))
    assert a_night(loop) == NIGHT
    return root


@pytest.fixture
def trebled(trebled_once: Path, tmp_path: Path, client: redis.Redis, store: str) -> Workspace:
    """Generation 4 is served; generation 5 is to be published, and refused."""
    shutil.copytree(trebled_once, tmp_path, dirs_exist_ok=True)
    publish(Workspace(tmp_path), PARENT, client, store, silent)
    return Workspace(tmp_path)


def a_night(loop: SimulatedWorkspace, damage: Callable[[Workspace, int], None] | None = None) -> int:
    """A generation from all days so far; ``damage`` comes between learning and choosing."""
    made = train(loop.workspace, loop.config, SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    if damage is not None:
        damage(loop.workspace, made.generation)
    precompute(loop.workspace, made.generation, SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    return made.generation


def sign(workspace: Workspace, generation: int, path: Path) -> None:
    """Give a generation the checksum of a file that was changed: it then looks as if it had been made so."""
    manifest = read_manifest(workspace, generation)
    name = path.relative_to(folder_of(workspace, generation)).as_posix()
    write_manifest(workspace, replace(manifest, checksums=manifest.checksums | {name: digest_of(path)}))


def change_model(workspace: Workspace, generation: int, **changes: Callable[[np.ndarray], np.ndarray]) -> None:
    path = folder_of(workspace, generation) / "posterior" / "linear.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **(arrays | {name: change(arrays[name]) for name, change in changes.items()}))
    sign(workspace, generation, path)


def change_rewards(loop: SimulatedWorkspace, taken: Callable[[np.ndarray], np.ndarray]) -> None:
    """Let other impressions of the last day be taken."""
    [path] = day_files(loop.workspace, LAST)
    frame = pl.read_parquet(path)
    clicked = taken(((frame["clicked"]) & (frame["watch_fraction"] >= 0.7)).to_numpy().copy())
    frame.with_columns(
        clicked=pl.Series(clicked), watch_fraction=pl.Series(clicked * 1.0), reward=pl.Series(clicked * 1.0)
    ).write_parquet(path)


def times(loop: SimulatedWorkspace, factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """Takes by a factor as often as those that the parent learned from."""
    learned = read_manifest(loop.workspace, PARENT).days.values()
    rate = sum(day.rewards for day in learned) / sum(day.impressions for day in learned)
    return lambda taken: np.random.default_rng(1).random(len(taken)) < factor * rate


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.refused]


def check_of(verdict: Verdict, name: str) -> Check:
    [check] = [check for check in verdict.checks if check.name == name]
    return check


def test_a_night_as_it_should_be_passes_and_every_question_is_answered(night: Workspace) -> None:
    verdict = judge(night, NIGHT, PARENT)
    assert [check.passed for check in verdict.checks] == [True] * 6, verdict


def test_a_first_generation_and_a_day_without_rows_pass_and_are_told(
    loop: SimulatedWorkspace, client: redis.Redis, store: str
) -> None:
    first = publish(loop.workspace, a_night(loop), client, store, silent).gate
    assert "nothing of this workspace is served" in check_of(first, "reward rate").text
    again = publish(loop.workspace, a_night(loop), client, store, silent).gate
    assert (first.passes, first.parent, again.passes, again.parent) == (True, None, True, first.generation)
    assert check_of(again, "reward rate").passed is None
    assert "no day is other than those that generation 5 learned from" in check_of(again, "reward rate").text


def test_a_workspace_without_any_impression_passes(workspace: Workspace, client: redis.Redis, store: str) -> None:
    for _ in range(2):
        verdict = publish(workspace, make_generation(workspace, "thompson"), client, store, silent).gate
        assert verdict.passes


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["information", "prior_mean"])
def test_a_number_that_is_none_is_refused(night: Workspace, name: str, value: float) -> None:
    def damage(array: np.ndarray) -> np.ndarray:
        array[3, 1] = value
        return array

    change_model(night, NIGHT, **{name: damage})
    verdict = judge(night, NIGHT, PARENT)
    assert failed(verdict) == ["finite numbers"]
    assert f"{name} in linear.npz" in check_of(verdict, "finite numbers").text


@pytest.mark.parametrize(("factor", "passes"), [(3.0, False), (1 / 3, False), (0.0, False), (1.7, True), (0.6, True)])
def test_a_reward_rate_that_trebles_falls_to_a_third_or_ends_is_refused_and_one_that_moves_less_is_not(
    loop: SimulatedWorkspace, factor: float, passes: bool
) -> None:
    change_rewards(loop, times(loop, factor))
    check = check_of(judge(loop.workspace, a_night(loop), PARENT), "reward rate")
    assert check.passed is passes, check.text


def test_few_impressions_with_an_odd_rate_are_not_judged(loop: SimulatedWorkspace) -> None:
    [path] = day_files(loop.workspace, LAST)
    pl.read_parquet(path)[:300].write_parquet(path)
    change_rewards(loop, np.ones_like)
    check = check_of(judge(loop.workspace, a_night(loop), PARENT), "reward rate")
    assert check.passed is None
    assert check.text.endswith("too few to judge")


def test_one_day_that_trebles_is_refused_among_days_that_were_only_corrected(loop: SimulatedWorkspace) -> None:
    later = a_night(loop)
    loop.play(EXPLORED + 1, later)
    for day in range(EXPLORED):  # a late row each: the days are new, and as they were but for it
        [path] = day_files(loop.workspace, FIRST_DAY + timedelta(days=day))
        late = pl.read_parquet(path)[:1].with_columns(event_id=pl.lit("late"))
        append_impressions(loop.workspace, FIRST_DAY + timedelta(days=day), late)
    change_rewards(loop, times(loop, 3))
    verdict = judge(loop.workspace, a_night(loop), PARENT)
    assert failed(verdict) == ["reward rate"]
    assert LAST.isoformat() in check_of(verdict, "reward rate").text


def test_a_posterior_of_another_workspace_is_refused(
    loop: SimulatedWorkspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = build_loop(tmp_path_factory.mktemp("other"), 6)
    for day in range(EXPLORED):
        other.explore(day)
    foreign = folder_of(other.workspace, a_night(other)) / "posterior" / "linear.npz"

    def damage(workspace: Workspace, generation: int) -> None:
        own = folder_of(workspace, generation) / "posterior" / "linear.npz"
        with np.load(foreign) as theirs, np.load(own) as ours:
            count = len(ours["counts"])
            rows = np.resize(np.arange(len(theirs["counts"])), count)  # as many artworks as the catalogue has
            arrays = {
                name: theirs[name][rows] if theirs[name].ndim and len(theirs[name]) > 30 else theirs[name]
                for name in ours
            }
        np.savez(own, **arrays)
        sign(workspace, generation, own)

    assert "drift of the weights" in failed(judge(loop.workspace, a_night(loop, damage), PARENT))


def test_a_posterior_of_fewer_artworks_is_refused(night: Workspace) -> None:
    names = ("precision", "information", "counts", "squares", "sums", "takes", "prior_mean")
    cut = {name: (lambda array: array[:20]) for name in names}
    change_model(night, NIGHT, **cut)
    assert failed(judge(night, NIGHT, PARENT)) == ["weights"]


def test_weights_that_collapsed_to_the_best_are_refused(loop: SimulatedWorkspace) -> None:
    def sure(workspace: Workspace, generation: int) -> None:
        many = 1e6
        change_model(
            workspace, generation, precision=lambda p: p * many, information=lambda b: b * many, counts=lambda n: n * many,
            squares=lambda s: s * many, sums=lambda s: s * many, takes=lambda t: t * many,
            prior_precision=lambda p: p * many,
        )  # fmt: skip

    verdict = judge(loop.workspace, a_night(loop, sure), PARENT)
    assert "entropy of the weights" in failed(verdict), verdict


@pytest.mark.parametrize("drawn", ["uniform", "best", "first", "shifted"])
def test_picks_that_do_not_follow_their_weights_are_refused(night: Workspace, drawn: str) -> None:
    redraw_picks(night, NIGHT, drawn)
    assert failed(judge(night, NIGHT, PARENT)) == ["draws of the picks"]


def test_picks_that_state_other_weights_than_they_were_drawn_by_are_refused(night: Workspace) -> None:
    redraw_picks(night, NIGHT, "misstated")
    assert failed(judge(night, NIGHT, PARENT)) == ["draws of the picks"]


def redraw_picks(workspace: Workspace, generation: int, how: str) -> None:
    """Picks drawn otherwise, each with the weight that the generation gives what it shows."""
    chooser, random = Chooser(workspace, generation), np.random.default_rng(2)
    n_users = chooser.users.count
    contexts, places = chooser.padded_contexts(0, n_users), chooser.padded_places(0, n_users)
    assert n_users <= USERS_A_BLOCK
    frame = picks_of(workspace, generation)
    arms = frame["arm"].to_numpy().reshape(n_users, -1).copy()
    stated = frame["weight"].to_numpy().reshape(n_users, -1).copy()
    for title in range(arms.shape[1]):
        weights = chooser.weights(title, chooser.probabilities(title, contexts, places, None), places)[:n_users]
        arms[:, title] = redrawn(how, arms[:, title], weights, random)
        own = np.sqrt(weights.astype(np.float64)) if how == "misstated" else weights
        chosen = own[np.arange(n_users), arms[:, title]] / own.sum(axis=1)
        stated[:, title] = np.maximum(1, np.round(chosen * chooser.config.total))
    path = change_picks(workspace, generation, lambda table: table._replace(arms=arms.ravel(), weights=stated.ravel()))
    sign(workspace, generation, path)


def redrawn(how: str, arms: I64, weights: U16, random: np.random.Generator) -> I64:
    n_users, n_arms = weights.shape
    if how == "uniform":
        return np.asarray(random.integers(n_arms, size=n_users), dtype=np.int64)
    if how == "best":
        return np.asarray(np.argmax(weights, axis=1), dtype=np.int64)
    if how == "first":
        return np.zeros(n_users, dtype=np.int64)
    moved = arms + (random.random(n_users) < 0.3)
    return np.asarray(moved % n_arms, dtype=np.int64) if how == "shifted" else arms


@pytest.mark.parametrize("arms", ["uniform", "favourite"])
def test_a_log_that_does_not_follow_its_propensities_is_refused(loop: SimulatedWorkspace, arms: str) -> None:
    random = np.random.default_rng(3)
    [path] = day_files(loop.workspace, LAST)
    frame = pl.read_parquet(path)
    count, sizes = frame.height * 4, frame["eligible"].list.len().to_numpy()
    rows = np.tile(np.arange(frame.height), 4)
    sizes = sizes[rows]
    shares = np.where(sizes > 1, 0.7, 1.0)  # the favourite is arm 0, as is stated; what is shown is something else
    chosen = random.integers(sizes) if arms == "uniform" else np.zeros(count, dtype=np.int64)
    stated = np.where(chosen == 0, shares, (1 - shares) / np.maximum(sizes - 1, 1))
    frame[rows].with_columns(
        event_id=pl.Series([f"e{row}" for row in range(count)]),
        generation=pl.Series(random.integers(1, 100, size=count)),
        propensity=pl.Series(stated),
    ).write_parquet(path)
    verdict = judge(loop.workspace, a_night(loop), PARENT)
    assert "propensities of the log" in failed(verdict), verdict


def test_what_is_refused_leaves_the_store_as_it_was_until_it_is_forced(
    trebled: Workspace, client: redis.Redis, store: str
) -> None:
    keys = sorted(client.scan_iter("*"))
    with pytest.raises(
        RefusedError, match=r"generation 5 is not published, generation 4 serves on: reward rate: .*--force"
    ):
        publish(trebled, NIGHT, client, store, silent)
    assert sorted(client.scan_iter("*")) == keys
    identity = identity_of(trebled, NIGHT)
    forced = publish(trebled, NIGHT, client, store, silent, force=True)
    assert (forced.generation, forced.gate.passes) == (NIGHT, False)
    assert read_manifest(trebled, NIGHT).forced == ("reward rate",)
    assert identity_of(trebled, NIGHT) == identity


def test_what_was_forced_is_published_again_without_a_word(trebled: Workspace, client: redis.Redis, store: str) -> None:
    publish(trebled, NIGHT, client, store, silent, force=True)
    rollback(client)
    assert publish(trebled, NIGHT, client, store, silent).generation == NIGHT


def test_rows_that_an_earlier_publish_left_of_what_is_refused_are_swept(
    trebled: Workspace, client: redis.Redis, store: str
) -> None:
    client.set(f"art:g:{NIGHT}:u:{{somebody}}", b"left")
    with pytest.raises(RefusedError):
        publish(trebled, NIGHT, client, store, silent)
    assert list(client.scan_iter(rows_pattern(NIGHT))) == []
    assert served(client) is not None


def test_a_run_that_is_refused_exits_1_with_why_and_its_figures(
    loop: SimulatedWorkspace, client: redis.Redis, store: str
) -> None:
    publish(loop.workspace, PARENT, client, store, silent)
    change_rewards(loop, times(loop, 3))
    root = str(loop.workspace.root)
    refused = call("run", "-w", root, "--seed", "5", "--json", **{URL_VARIABLE: store})
    assert (refused.code, served(client).generation) == (1, PARENT)  # type: ignore[union-attr]
    assert "reward rate" in refused.err
    assert [check["name"] for check in json.loads(refused.out)["checks"] if check["passed"] is False] == ["reward rate"]
    forced = call("publish", "-w", root, "--force", "--json", **{URL_VARIABLE: store})
    assert (forced.code, served(client).generation) == (0, PARENT + 1)  # type: ignore[union-attr]
    assert json.loads(forced.out)["gate"]["checks"]


@pytest.mark.parametrize(
    "other",
    [
        Config(seed=6),
        Config.of("epsilon_greedy", seed=5),
        Config.of("uniform", seed=5),
        Config.of(seed=5, posterior="shared"),
        Config.of(seed=5, reward="click"),
        Config.of(seed=5, explore_share=0.5),
        Config((Variant(), Variant("half", policy="greedy", share=0.5)), seed=5),
    ],
)
def test_another_configuration_passes(loop: SimulatedWorkspace, other: Config) -> None:
    verdict = judge(loop.workspace, a_night(replace(loop, config=other)), PARENT)
    assert verdict.passes, verdict


def test_a_first_day_of_impressions_may_change_every_weight(tmp_path: Path, client: redis.Redis, store: str) -> None:
    loop = build_loop(tmp_path, 7)
    publish(loop.workspace, a_night(loop), client, store, silent)
    for day in range(EXPLORED):
        loop.play(day, 1)
    verdict = publish(loop.workspace, a_night(loop), client, store, silent).gate
    assert check_of(verdict, "drift of the weights").passed is None


def nights(loop: SimulatedWorkspace, url: str, count: int) -> list[Verdict]:
    """Explore data, and nights with a day between them."""
    for day in range(EXPLORED):
        loop.explore(day)
    verdicts = []
    for night in range(count):
        made = run(loop.workspace, loop.config, SerialExecutor(), url, silent, shard_size=ALL_BLOCKS)
        verdicts.append(made.published.gate)
        loop.play(EXPLORED + night, made.trained.generation)
    return verdicts


def test_the_nights_of_a_loop_pass(tmp_path: Path, store: str) -> None:
    verdicts = nights(build_loop(tmp_path, 301), store, 4)
    assert [verdict.passes for verdict in verdicts] == [True] * 4
    assert all(check.passed for check in verdicts[-1].checks)


@pytest.mark.simulations
@pytest.mark.parametrize("seed", range(301, 301 + size(4, 10)))
@pytest.mark.parametrize("posterior", ["linear", "logistic", "shared"])
def test_the_nights_of_many_loops_pass(tmp_path: Path, store: str, seed: int, posterior: str) -> None:
    config = Config.of(seed=seed, posterior=posterior)
    assert [verdict.passes for verdict in nights(build_loop(tmp_path, seed, config), store, 6)] == [True] * 6


def test_a_log_in_which_artworks_were_retired_states_its_propensities_as_they_are(workspace: Workspace) -> None:
    """Picks p = (0.6, 0.1, 0.3); the third artwork retires, the fallback shows the first or the second, as often."""
    counts = {("personalized", 0): 3600, ("personalized", 1): 600, ("popularity", 0): 900, ("popularity", 1): 900}
    drawn = draw_impressions(workspace, FIRST_DAY, sum(counts.values()))
    sources = [source for (source, _), count in counts.items() for _ in range(count)]
    arms = [arm for (_, arm), count in counts.items() for _ in range(count)]
    decisions = [f"u{number}" for number in range(len(arms))]
    frame = drawn.with_columns(
        user_id=pl.Series(decisions),
        source=pl.Series(sources),
        arm=pl.Series(arms),
        eligible=pl.Series([[0, 1]] * len(arms)),
        propensity=pl.Series([[0.75, 0.25][arm] for arm in arms]),
    )
    append_impressions(workspace, FIRST_DAY, frame)
    day = FIRST_DAY.isoformat()
    learned = {day: LearnedDay("0" * 32, len(arms), 1.0)}
    draws = log_draws(workspace, replace(Manifest.new(2, 1, Config.of()), days=learned, rows={day: len(arms)}), None)
    assert draws.is_enough
    assert draws.figure.ratio == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("shown", "ratio"), [((4500, 1500), 1.0), ((3000, 3000), 4 / 3)])
def test_answers_of_segments_are_held_against_their_propensities(
    workspace: Workspace, shown: tuple[int, int], ratio: float
) -> None:
    arms = [arm for arm, count in enumerate(shown) for _ in range(count)]
    frame = draw_impressions(workspace, FIRST_DAY, len(arms)).with_columns(
        user_id=pl.Series([f"u{number}" for number in range(len(arms))]),
        source=pl.lit("segment"),
        arm=pl.Series(arms),
        eligible=pl.Series([[0, 1]] * len(arms)),
        propensity=pl.Series([[0.75, 0.25][arm] for arm in arms]),
    )
    append_impressions(workspace, FIRST_DAY, frame)
    day = FIRST_DAY.isoformat()
    learned = {day: LearnedDay("0" * 32, len(arms), 1.0)}
    draws = log_draws(workspace, replace(Manifest.new(2, 1, Config.of()), days=learned, rows={day: len(arms)}), None)
    assert draws.decisions == len(arms)
    assert draws.figure.ratio == pytest.approx(ratio, abs=1e-9)
