"""What is learned day by day: folded or not it is the same, a generation says first what it learns, and nothing is mixed."""

import json
import os
import shutil
import time
from dataclasses import replace
from datetime import date, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from make_impressions import ALL_BLOCKS, FIRST_DAY, draw_impressions, shorten, silent

from bandit.errors import InputError, SurroundingsError
from batch.config import Config
from batch.executors import SerialExecutor
from batch.learning.day_rows import DaySource, day_rows
from batch.learning.folds import FOLDED_AFTER_DAYS
from batch.learning.train import Trained, train
from batch.workspace.catalogue import Catalogue
from batch.workspace.day_digests import READ_AGAIN_DAYS, day_digests
from batch.workspace.generations import claimed, finished, folder_of, read_manifest
from batch.workspace.impressions import append_impressions, day_digest, day_folder
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

DAYS, COUNT = FOLDED_AFTER_DAYS + 8, 60
LATER = 3600 * 10**9


@pytest.fixture
def small(workspace: Workspace) -> Workspace:
    shorten(workspace)
    return workspace


@pytest.fixture(scope="session")
def logged_days(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``logged`` copies: days enough to be folded; nobody else writes to it."""
    root = tmp_path_factory.mktemp("logged-days")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    shorten(Workspace(root))
    for number in range(DAYS):
        log(Workspace(root), number)
    return root


@pytest.fixture
def logged(logged_days: Path, tmp_path: Path) -> Workspace:
    return copied(logged_days, tmp_path)


@pytest.fixture(scope="session")
def folded_days(logged_days: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``folded`` copies: a generation is learned from the days, and they are folded."""
    workspace = copied(logged_days, tmp_path_factory.mktemp("folded-days"))
    learn(workspace)
    return workspace.root


@pytest.fixture
def folded(folded_days: Path, tmp_path: Path) -> Workspace:
    return copied(folded_days, tmp_path)


def copied(root: Path, folder: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(root, folder / "workspace")))


def day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


def log(workspace: Workspace, number: int, seed: int = 1) -> None:
    frame = draw_impressions(workspace, day(number), COUNT, seed)
    append_impressions(
        workspace, day(number), frame.with_columns(event_id=pl.format("s{}-{}", pl.lit(seed), "event_id"))
    )


def learn(workspace: Workspace, retention: float = 0.9, posterior: str = "linear", **settings: Any) -> Trained:
    config = Config.of(posterior=posterior, retention=retention, **settings)
    return train(workspace, config, SerialExecutor(), silent, shard_size=ALL_BLOCKS)


def posterior_of(workspace: Workspace, generation: int, name: str = "linear") -> dict[str, bytes]:
    with np.load(folder_of(workspace, generation) / "posterior" / f"{name}.npz") as file:
        return {array: file[array].tobytes() for array in file.files}


def from_scratch(workspace: Workspace, retention: float = 0.9) -> dict[str, bytes]:
    shutil.rmtree(workspace.evidence)
    return posterior_of(workspace, learn(workspace, retention).generation)


def folds_of(workspace: Workspace) -> list[str]:
    return sorted(str(path.relative_to(workspace.evidence)) for path in workspace.evidence.rglob("folded*"))


@pytest.mark.parametrize("retention", [1.0, 0.9, 1e-10])
def test_what_night_after_night_has_folded_is_what_all_days_at_once_teach(small: Workspace, retention: float) -> None:
    nights = []
    for number in range(DAYS):
        log(small, number)
        if number % 5 == 4 or number > FOLDED_AFTER_DAYS:
            nights.append(learn(small, retention).generation)
    assert folds_of(small) == ["beta/folded.npz", "linear/folded.npz"]
    folded = [posterior_of(small, nights[-1], name) for name in ("linear", "beta")]
    catalogue = pl.read_parquet(folder_of(small, nights[-1]) / "catalogue.parquet")
    assert from_scratch(small, retention) == folded[0]
    assert posterior_of(small, nights[-1] + 1, "beta") == folded[1]
    assert pl.read_parquet(folder_of(small, nights[-1] + 1) / "catalogue.parquet").equals(catalogue)
    assert read_manifest(small, nights[-1] + 1).days == read_manifest(small, nights[-1]).days


def test_gaps_between_days_are_folded_by_their_length(small: Workspace) -> None:
    for number in (0, 1, 5, 6, 40):
        log(small, number)
        learn(small)
    counts = np.load(folder_of(small, 5) / "posterior" / "beta.npz")["impressions"].sum()
    assert counts == pytest.approx(COUNT * sum(0.9 ** (40 - number) for number in (0, 1, 5, 6, 40)))
    assert posterior_of(small, 5) == from_scratch(small)


def test_a_night_reads_the_fold_and_the_last_days_alone(folded: Workspace) -> None:
    for kind in ("beta", "linear"):
        (folded.evidence / kind / f"{FIRST_DAY.isoformat()}.npz").write_bytes(b"nobody reads this")
    again = learn(folded)
    assert posterior_of(folded, again.generation) == posterior_of(folded, 1)
    assert (again.days, again.impressions) == (DAYS, DAYS * COUNT)


@pytest.mark.parametrize("change", ["another file", "a file less", "an earlier day", "a day in between"])
def test_a_day_of_the_fold_that_changes_makes_it_again(folded: Workspace, change: str) -> None:
    if change == "another file":
        log(folded, 2, seed=2)
    elif change == "a file less":
        shutil.rmtree(day_folder(folded, day(2)))
    elif change == "an earlier day":
        log(folded, -1)
    else:
        shutil.rmtree(day_folder(folded, day(3)))
        learn(folded)
        log(folded, 3, seed=2)
    made = learn(folded)
    assert posterior_of(folded, made.generation) == from_scratch(folded)


@pytest.mark.parametrize("other", [{"retention": 0.8}, {"reward": "click"}])
def test_a_fold_of_another_setting_is_not_used(folded: Workspace, other: dict[str, Any]) -> None:
    made = posterior_of(folded, learn(folded, **other).generation)
    shutil.rmtree(folded.evidence)
    assert posterior_of(folded, learn(folded, **other).generation) == made


def test_two_rewards_are_folded_side_by_side(logged: Workspace) -> None:
    variants = tuple(Config.of(reward=reward).variants[0] for reward in ("take", "click"))
    config = Config(tuple(replace(own, name=own.reward[:4], share=None) for own in variants), retention=0.9)
    for _ in range(2):
        train(logged, config, SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    names = ["beta/folded-2.npz", "beta/folded.npz", "linear/folded-2.npz", "linear/folded.npz"]
    assert folds_of(logged) == names
    assert posterior_of(logged, 2, "linear-2") == posterior_of(logged, 1, "linear-2")
    assert posterior_of(logged, 2, "linear-2") == posterior_of(logged, learn(logged, reward="click").generation)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut off", b"nothing like an archive"])
def test_a_damaged_fold_is_refused_with_its_path_and_no_generation_is_claimed(folded: Workspace, damage: bytes) -> None:
    (folded.evidence / "linear" / "folded.npz").write_bytes(damage)
    with pytest.raises(InputError, match=r"folded\.npz cannot be read .*; delete it, it is made again"):
        learn(folded)
    assert claimed(folded) == [1]


def test_a_day_that_changes_while_it_is_read_is_told_and_nothing_of_it_is_kept(small: Workspace) -> None:
    log(small, 0)
    tables = read_tables(small)
    decided = day_digest(small, day(0))
    source = DaySource(small, day(0), Catalogue.of(tables), tables.n_features, "take", files=decided)
    assert day_rows(source).impressions == COUNT
    log(small, 0, seed=2)
    with pytest.raises(SurroundingsError, match=r"day=2026-01-01 changed while it was being learned from.*run again"):
        day_rows(source)


class KilledError(BaseException):
    """In place of a signal."""


def test_a_training_that_is_killed_leaves_its_number_used_and_what_it_was_to_learn_and_harms_nothing(
    small: Workspace,
) -> None:
    log(small, 0)
    log(small, 1)

    def killed(what: str, done: int, total: int) -> None:
        if what == "fitting titles":
            raise KilledError

    config = Config.of(posterior="logistic")
    with pytest.raises(KilledError):
        train(small, config, SerialExecutor(), killed, shard_size=ALL_BLOCKS)
    left = read_manifest(small, 1)
    assert (left.stage, left.rows) == ("claimed", {"2026-01-01": COUNT, "2026-01-02": COUNT})
    assert [own.digest for own in left.days.values()] == [day_digest(small, day(number)) for number in range(2)]
    assert (finished(small, "trained"), claimed(small)) == ([], [1])
    made = train(small, config, SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    assert (made.generation, made.parent) == (2, None)
    assert read_manifest(small, 2).days == left.days


def test_what_a_generation_learns_from_is_written_day_by_day_with_what_counted(small: Workspace) -> None:
    frame = draw_impressions(small, day(0), COUNT)
    gone = pl.int_range(pl.len()) < 7
    artworks = pl.when(gone).then(pl.lit("gone")).otherwise("artwork_id")
    append_impressions(small, day(0), frame.with_columns(artwork_id=artworks))
    made = learn(small)
    [(name, own)] = read_manifest(small, made.generation).days.items()
    assert (name, own.impressions, own.digest) == ("2026-01-01", COUNT - 7, day_digest(small, day(0)))
    assert own.rewards == frame[7:]["reward"].sum()
    assert made.unknown == 7


@pytest.mark.parametrize(("window", "left_out"), [(1, 4), (3, 2), (90, 0)])
def test_logistic_is_refitted_to_the_rows_of_its_window(small: Workspace, window: int, left_out: int) -> None:
    for number in range(5):
        log(small, number)
    made = learn(small, 1.0, "logistic", refit_days=window)
    assert (made.refit_days, made.days_left_out) == (window, left_out)
    kept = sorted(path.stem for path in (small.evidence / "logistic").iterdir())
    assert kept == [day(number).isoformat() for number in range(left_out, 5)]
    assert read_manifest(small, 1).config.refit_days == window
    assert read_manifest(small, 1).rows.keys() == {day(number).isoformat() for number in range(5)}


@pytest.mark.parametrize("posterior", ["linear", "shared", "beta"])
def test_what_learns_from_sums_needs_no_window(small: Workspace, posterior: str) -> None:
    log(small, 0)
    assert learn(small, posterior=posterior).refit_days is None


def test_the_default_window_changes_no_identity_and_another_does() -> None:
    assert Config(refit_days=90) == Config()
    with pytest.raises(InputError, match="refit_days is 0, expected 1 to"):
        Config(refit_days=0)


def test_old_days_are_not_read_again_while_the_disk_says_that_they_have_not_changed(small: Workspace) -> None:
    for number in (0, 1, READ_AGAIN_DAYS + 1):
        log(small, number)
    expected = day_digests(small, clock=later)
    kept = json.loads((small.evidence / "days.json").read_bytes())
    assert sorted(kept) == ["2026-01-01", "check"]
    pretend(small, "2026-01-01", "0" * 32)
    assert day_digests(small)[day(0)] == "0" * 32
    assert day_digests(small, verify=True) == expected


def later() -> int:
    return time.time_ns() + LATER


def pretend(workspace: Workspace, name: str, digest: str) -> None:
    """Let a day be known by another digest: who sees it has not read the day."""
    path = workspace.evidence / "days.json"
    kept = json.loads(path.read_bytes())
    del kept["check"]
    kept[name]["digest"] = digest
    check = blake2b(json.dumps(kept, sort_keys=True).encode(), digest_size=16).hexdigest()
    path.write_text(json.dumps(kept | {"check": check}))


@pytest.mark.parametrize("change", ["written", "same size and time", "another file", "renamed"])
def test_an_old_day_whose_files_changed_is_read_again(small: Workspace, change: str) -> None:
    for number in (0, READ_AGAIN_DAYS + 1):
        log(small, number)
    before = day_digests(small, clock=later)[day(0)]
    [path] = day_folder(small, day(0)).glob("*.parquet")
    if change == "another file":
        log(small, 0, seed=2)
    elif change == "renamed":
        path.rename(path.with_name("part-000007.parquet"))
    else:
        at, content = path.stat(), bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        if change == "same size and time":
            os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    after = day_digests(small, clock=later)[day(0)]
    assert (after, after != before) == (day_digest(small, day(0)), True)


def test_files_that_changed_a_moment_before_they_were_read_are_read_again(small: Workspace) -> None:
    for number in (0, READ_AGAIN_DAYS + 1):
        log(small, number)
    day_digests(small)
    assert not (small.evidence / "days.json").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"2026-01-01": 3, "check": "x"}', b"\xff\xfe"])
def test_what_is_kept_of_old_days_and_cannot_be_read_is_made_again(small: Workspace, content: bytes) -> None:
    for number in (0, READ_AGAIN_DAYS + 1):
        log(small, number)
    expected = day_digests(small, clock=later)
    (small.evidence / "days.json").write_bytes(content)
    assert day_digests(small, clock=later) == expected
