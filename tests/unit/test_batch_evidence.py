"""Evidence of a day: made once, kept while the day's files stay, made again when they change."""

import shutil
from dataclasses import astuple
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from make_impressions import ALL_BLOCKS, FIRST_DAY, draw_impressions, log_days, shorten, silent
from shell import listing

from bandit.errors import InputError
from batch.config import Config, Variant
from batch.executors import SerialExecutor
from batch.learning.train import Trained, train
from batch.workspace.generations import claimed, read_manifest
from batch.workspace.impressions import append_impressions
from batch.workspace.workspace import Workspace

COUNT = 300
DEFAULTS = Config()
NEXT_DAY = FIRST_DAY + timedelta(days=1)


def train_once(workspace: Workspace, config: Config = DEFAULTS) -> Trained:
    return train(workspace, config, SerialExecutor(), silent, shard_size=ALL_BLOCKS)


def evidence_of(workspace: Workspace, day: date) -> list[Path]:
    return sorted(workspace.evidence.rglob(f"{day.isoformat()}.npz"))


def changes(workspace: Workspace, day: date) -> list[int]:
    """When the evidence files of a day were last written."""
    return [path.stat().st_mtime_ns for path in evidence_of(workspace, day)]


def arrays_of(workspace: Workspace, generation: int, posterior: str) -> dict[str, np.ndarray]:
    with np.load(workspace.generations / f"{generation:06d}" / "posterior" / f"{posterior}.npz") as file:
        return {name: file[name] for name in file.files}


def frame_of(workspace: Workspace, day: date) -> npt.NDArray[np.int64]:
    """Impressions of each artwork of the catalogue on a day, counted from the log itself."""
    artworks = pl.read_parquet(workspace.artworks).sort("title_id", "artwork_id")
    logged = pl.read_parquet(workspace.impressions / f"day={day.isoformat()}" / "*.parquet")
    counted = logged.group_by("title_id", "artwork_id").len()
    return (
        artworks.join(counted, on=["title_id", "artwork_id"], how="left", maintain_order="left")["len"]
        .fill_null(0)
        .to_numpy()
        .astype(np.int64)
    )


def test_a_second_training_leaves_the_evidence_of_unchanged_days_alone(workspace: Workspace) -> None:
    log_days(workspace, 2, COUNT)
    train_once(workspace)
    before = changes(workspace, FIRST_DAY)
    assert len(before) == 2
    train_once(workspace)
    assert changes(workspace, FIRST_DAY) == before


def test_a_day_that_gets_another_file_is_counted_again_and_the_others_are_not(workspace: Workspace) -> None:
    log_days(workspace, 2, COUNT)
    assert train_once(workspace).impressions == 2 * COUNT
    first, second = changes(workspace, FIRST_DAY), changes(workspace, NEXT_DAY)
    late = draw_impressions(workspace, NEXT_DAY, 50, seed=2).with_columns(event_id=pl.format("late-{}", "event_id"))
    append_impressions(workspace, NEXT_DAY, late)
    assert train_once(workspace).impressions == 2 * COUNT + 50
    assert changes(workspace, FIRST_DAY) == first
    assert changes(workspace, NEXT_DAY) != second


@pytest.mark.parametrize("posterior", ["linear", "beta"])
def test_a_posterior_from_kept_evidence_is_that_from_fresh_evidence(workspace: Workspace, posterior: str) -> None:
    log_days(workspace, 2, COUNT)
    train_once(workspace)
    train_once(workspace)
    shutil.rmtree(workspace.evidence)
    train_once(workspace)
    fresh = arrays_of(workspace, 1, posterior)
    for generation in (2, 3):
        again = arrays_of(workspace, generation, posterior)
        assert {name: array.tobytes() for name, array in again.items()} == {
            name: array.tobytes() for name, array in fresh.items()
        }


def test_evidence_is_made_again_when_the_reward_changes(workspace: Workspace) -> None:
    log_days(workspace, 1, COUNT)
    train_once(workspace)
    before = changes(workspace, FIRST_DAY)
    train_once(workspace, Config.of(reward="click"))
    assert changes(workspace, FIRST_DAY) != before
    takes, clicks = (arrays_of(workspace, generation, "beta")["takes"].sum() for generation in (1, 2))
    logged = pl.read_parquet(workspace.impressions / "*" / "*.parquet")
    assert clicks == logged["clicked"].sum() > takes > 0


@pytest.mark.parametrize(
    ("config", "files"),
    [
        (Config.of("popularity"), ["beta/2026-01-01.npz"]),
        (Config.of(posterior="beta"), ["beta/2026-01-01.npz"]),
        (Config.of(posterior="logistic"), ["beta/2026-01-01.npz", "logistic/2026-01-01.parquet"]),
        (Config.of(posterior="shared"), ["beta/2026-01-01.npz", "linear/2026-01-01.npz"]),
    ],
)
def test_only_the_evidence_that_a_posterior_needs_is_kept(
    config: Config, files: list[str], workspace: Workspace
) -> None:
    shorten(workspace)
    log_days(workspace, 1, COUNT)
    train_once(workspace, config)
    kept = [path for path in workspace.evidence.rglob("*") if path.is_file()]
    assert sorted(str(path.relative_to(workspace.evidence)) for path in kept) == files


def test_several_rewards_are_learned_side_by_side_each_as_alone(workspace: Workspace) -> None:
    shorten(workspace)
    log_days(workspace, 2, COUNT)
    rewards = ("take:engaged_fraction=0.7", "click", "weighted_sum:take=0.5,take.engaged_fraction=0.7,click=0.5")
    posteriors = ("linear", "logistic", "logistic")
    both = zip(posteriors, rewards, strict=True)
    config = Config(tuple(Variant(f"v{reward[0]}", posterior=posterior, reward=reward) for posterior, reward in both))
    made = train_once(workspace, config)
    assert [model[:2] for model in map(astuple, made.models)] == [
        ("beta", rewards[0]),
        *zip(posteriors, rewards, strict=True),
    ]
    kept = sorted(str(path.relative_to(workspace.evidence)) for path in workspace.evidence.rglob("*2026-01-01*"))
    sums = ["beta/2026-01-01-2.npz", "beta/2026-01-01-3.npz", "beta/2026-01-01.npz", "linear/2026-01-01.npz"]
    assert kept == [*sums, "logistic/2026-01-01-2.parquet", "logistic/2026-01-01-3.parquet"]
    before = listing(workspace.evidence)
    train_once(workspace, config)
    assert listing(workspace.evidence) == before
    for nth, posterior, reward in zip(("", "-2", "-3"), posteriors, rewards, strict=True):
        alone = train_once(workspace, Config.of(posterior=posterior, reward=reward)).generation
        expected, arrays = arrays_of(workspace, alone, posterior), arrays_of(workspace, 1, f"{posterior}{nth}")
        assert expected.keys() == arrays.keys()
        assert all((arrays[name] == expected[name]).all() for name in expected)


def test_kept_evidence_holds_only_the_artworks_that_a_day_showed(workspace: Workspace) -> None:
    append_impressions(workspace, FIRST_DAY, draw_impressions(workspace, FIRST_DAY, 5))
    train_once(workspace)
    with np.load(workspace.evidence / "linear" / "2026-01-01.npz") as file:
        assert len(file["artworks"]) == len(file["precision"]) <= 5
        assert file["counts"].sum() == 5


def test_older_days_count_less_by_their_age_in_days(workspace: Workspace) -> None:
    """Retention 0.5 over days 1, 2 and 5: weights 1/16, 1/8 and 1."""
    ages = {FIRST_DAY: 4, NEXT_DAY: 3, FIRST_DAY + timedelta(days=4): 0}
    for day in ages:
        append_impressions(workspace, day, draw_impressions(workspace, day, COUNT))
    train_once(workspace, Config(retention=0.5))
    expected = np.sum([0.5**age * frame_of(workspace, day) for day, age in ages.items()], axis=0)
    assert arrays_of(workspace, 1, "beta")["impressions"].tolist() == expected.tolist()
    assert arrays_of(workspace, 1, "linear")["counts"].tolist() == expected.tolist()


def test_the_catalogue_counts_impressions_of_all_ages_alike(workspace: Workspace) -> None:
    log_days(workspace, 2, COUNT)
    train_once(workspace, Config(retention=0.001))
    catalogue = pl.read_parquet(workspace.generations / "000001" / "catalogue.parquet")
    both = frame_of(workspace, FIRST_DAY) + frame_of(workspace, NEXT_DAY)
    assert catalogue["impressions"].to_list() == both.tolist()


@pytest.mark.parametrize("posterior", ["linear", "logistic"])
def test_days_so_old_that_nothing_is_left_of_them_are_as_if_they_had_not_been(
    posterior: str, workspace: Workspace
) -> None:
    config = Config.of(retention=1e-10, posterior=posterior)
    append_impressions(workspace, NEXT_DAY, draw_impressions(workspace, NEXT_DAY, COUNT))
    train_once(workspace, config)
    ancient = FIRST_DAY - timedelta(days=400)
    append_impressions(workspace, ancient, draw_impressions(workspace, ancient, COUNT))
    train_once(workspace, config)
    alone, both = (arrays_of(workspace, generation, posterior) for generation in (1, 2))
    assert {name: array.tobytes() for name, array in both.items()} == {
        name: array.tobytes() for name, array in alone.items()
    }


def test_evidence_is_made_again_when_the_catalogue_changes(workspace: Workspace) -> None:
    log_days(workspace, 1, COUNT)
    train_once(workspace)
    before = changes(workspace, FIRST_DAY)
    artworks = pl.read_parquet(workspace.artworks)
    artworks[1:].write_parquet(workspace.artworks)
    assert train_once(workspace).unknown > 0
    assert changes(workspace, FIRST_DAY) != before


def test_impressions_of_unknown_artworks_are_counted_and_left_out(workspace: Workspace) -> None:
    frame = draw_impressions(workspace, FIRST_DAY, COUNT)
    gone = pl.int_range(pl.len()) < 7
    append_impressions(
        workspace,
        FIRST_DAY,
        frame.with_columns(artwork_id=pl.when(gone).then(pl.lit("gone")).otherwise("artwork_id")),
    )
    made = train_once(workspace)
    assert (made.impressions, made.unknown) == (COUNT, 7)
    assert int(arrays_of(workspace, 1, "beta")["impressions"].sum()) == COUNT - 7


def test_the_rows_of_each_day_are_in_the_manifest(workspace: Workspace) -> None:
    log_days(workspace, 2, COUNT)
    train_once(workspace)
    assert read_manifest(workspace, 1).rows == {"2026-01-01": COUNT, "2026-01-02": COUNT}


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut off", b"nothing like an archive"])
def test_a_damaged_evidence_file_is_refused_with_its_path_and_no_generation_is_claimed(
    damage: bytes, workspace: Workspace
) -> None:
    log_days(workspace, 1, COUNT)
    train_once(workspace)
    evidence_of(workspace, FIRST_DAY)[0].write_bytes(damage)
    with pytest.raises(InputError, match=r"2026-01-01\.npz cannot be read .*; delete it, it is made again"):
        train_once(workspace)
    assert claimed(workspace) == [1]


@pytest.mark.parametrize("damage", [b"", b"PAR1 cut off", b"nothing like a table"])
def test_damaged_rows_are_refused_with_their_path_and_no_generation_is_claimed(
    damage: bytes, workspace: Workspace
) -> None:
    log_days(workspace, 1, COUNT)
    train_once(workspace, Config.of(posterior="logistic"))
    (workspace.evidence / "logistic" / "2026-01-01.parquet").write_bytes(damage)
    with pytest.raises(InputError, match=r"2026-01-01\.parquet cannot be read .*; delete it, it is made again"):
        train_once(workspace, Config.of(posterior="logistic"))
    assert claimed(workspace) == [1]


def test_bad_impressions_claim_no_generation_and_leave_no_evidence(workspace: Workspace) -> None:
    path = append_impressions(workspace, FIRST_DAY, draw_impressions(workspace, FIRST_DAY, COUNT))
    pl.read_parquet(path).with_columns(reward=pl.lit(2.0)).write_parquet(path)
    with pytest.raises(InputError, match=r"column reward, row 1 .*found 2\.0"):
        train_once(workspace)
    assert claimed(workspace) == []
    assert not workspace.evidence.exists()
