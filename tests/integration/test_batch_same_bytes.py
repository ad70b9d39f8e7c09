"""The same impressions, seed and generation number are the same bytes, wherever and however often they are computed."""

import pickle
import shutil
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
import redis
from make_impressions import log_days, make_generation, shorten, silent, stored_rows
from twice import TwiceExecutor

from batch.choosing.chooser import USERS_A_BLOCK, ChooserOf
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.executors import SerialExecutor, open_executor
from batch.learning.train import train
from batch.publishing.publish import publish
from batch.publishing.row_bytes import encoded_rows
from batch.workspace.generations import folder_of
from batch.workspace.workspace import Workspace

pytestmark = pytest.mark.usefixtures("two_blas_threads")

USERS = 4 * USERS_A_BLOCK + 76
"""Five blocks, the last one padded."""

TITLES = 150
"""Three blocks, the last one short."""

FEATURES = 11
"""Of a context: enough for sums in blocks and a rest, few enough to be fitted again and again."""

VARIANTS = [
    ("serial", 1),
    ("serial", 3),
    ("serial", 5),
    ("processes", 1),
    ("processes", 3),
    ("processes", 5),
]
Arrays = dict[str, np.ndarray]


def fresh_copy(original: Workspace, to: Path) -> Workspace:
    shutil.copytree(original.root, to / "copy")
    return Workspace(to / "copy")


@pytest.fixture(scope="module")
def few_titles(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("few"))
    write(made, synthetic.build(n_users=USERS, n_titles=10, seed=3))
    shorten(made, FEATURES)
    log_days(made, 2, 1500)
    return made


@pytest.fixture(scope="module")
def many_titles(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("many"))
    write(made, synthetic.build(n_users=100, n_titles=TITLES, seed=3))
    shorten(made, FEATURES)
    log_days(made, 2, 3000)
    return made


@pytest.fixture(scope="module")
def expected_rows(few_titles: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one serial run over all blocks at once has for the store."""
    copy = fresh_copy(few_titles, tmp_path_factory.mktemp("first"))
    generation = make_generation(copy, "thompson", seed=7)
    return dict(encoded_rows(copy, generation))


@pytest.mark.parametrize(("executor", "shard_size"), VARIANTS)
def test_store_rows_are_the_same_bytes(
    executor: str,
    shard_size: int,
    few_titles: Workspace,
    expected_rows: dict[str, bytes],
    client: redis.Redis,
    store: str,
    tmp_path: Path,
) -> None:
    copy = fresh_copy(few_titles, tmp_path)
    with open_executor(executor, workers=2) as shards:
        generation = make_generation(copy, "thompson", seed=7, executor=shards, shard_size=shard_size)
    publish(copy, generation, client, store, silent)
    rows = stored_rows(client, copy, generation)
    assert len(rows) == USERS
    assert rows == expected_rows
    assert digest_of(rows) == digest_of(expected_rows)


def test_shards_that_run_twice_change_no_row(
    few_titles: Workspace, expected_rows: dict[str, bytes], tmp_path: Path
) -> None:
    copy = fresh_copy(few_titles, tmp_path)
    generation = make_generation(copy, "thompson", seed=7, executor=TwiceExecutor(), shard_size=3)
    assert dict(encoded_rows(copy, generation)) == expected_rows


def test_what_a_killed_shard_left_is_gone_once_the_picks_are_there(few_titles: Workspace, tmp_path: Path) -> None:
    copy = fresh_copy(few_titles, tmp_path)
    made = train(copy, Config.of("uniform"), SerialExecutor(), silent, shard_size=5)
    left = made.folder / "picks" / ".part-0000000000.rows.0123456789abcdef.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half a row")
    precompute(copy, made.generation, SerialExecutor(), silent, shard_size=5)
    assert [path.name for path in left.parent.iterdir()] == ["part-0000000000.rows"]


def test_another_seed_draws_other_rows(
    few_titles: Workspace, expected_rows: dict[str, bytes], client: redis.Redis, store: str, tmp_path: Path
) -> None:
    copy = fresh_copy(few_titles, tmp_path)
    generation = make_generation(copy, "thompson", seed=8)
    publish(copy, generation, client, store, silent)
    assert stored_rows(client, copy, generation) != expected_rows


@pytest.mark.parametrize("posterior", ["beta", "logistic", "shared"])
def test_store_rows_of_every_posterior_are_the_same_bytes(
    posterior: str, few_titles: Workspace, tmp_path: Path
) -> None:
    """As above, up to the bytes that are published; some users explore."""
    rows = [
        rows_of(fresh_copy(few_titles, tmp_path / f"{executor}-{shard_size}"), posterior, executor, shard_size)
        for executor, shard_size in (("serial", 5), ("serial", 1), ("processes", 3))
    ]
    assert len(rows[0]) == USERS
    assert rows[1] == rows[0]
    assert rows[2] == rows[0]


def rows_of(workspace: Workspace, posterior: str, executor: str, shard_size: int) -> dict[str, bytes]:
    with open_executor(executor, workers=2) as shards:
        generation = make_generation(
            workspace,
            "thompson",
            seed=7,
            executor=shards,
            shard_size=shard_size,
            posterior=posterior,
            retention=0.9,
            explore_share=0.1,
        )
    return dict(encoded_rows(workspace, generation))


def test_a_chooser_that_is_carried_elsewhere_needs_no_file_of_its_models(few_titles: Workspace, tmp_path: Path) -> None:
    copy = fresh_copy(few_titles, tmp_path)
    chooser_of = ChooserOf(copy, make_generation(copy, "thompson", seed=7, posterior="logistic"), "here")
    expected = chooser_of().choose(0, USERS_A_BLOCK)
    carried = pickle.dumps(replace(chooser_of, manifest_digest="there").with_contents())
    folder = folder_of(copy, chooser_of.generation)
    shutil.rmtree(folder / "posterior")
    (folder / "catalogue.parquet").unlink()
    picks = pickle.loads(carried)().choose(0, USERS_A_BLOCK)  # noqa: S301 - made here
    drawn, wanted = (
        [made.counts, made.titles, made.arms, made.weights, made.places.rows, made.kept_and_changed]
        for made in (picks, expected)
    )
    assert [array.tobytes() for array in drawn] == [array.tobytes() for array in wanted]


@pytest.fixture(scope="module")
def expected_arrays(many_titles: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays]:
    """What one serial run over all titles at once learns, by posterior."""
    return {
        posterior: learned(fresh_copy(many_titles, tmp_path_factory.mktemp("first")), posterior, "serial", 5)
        for posterior in ("linear", "logistic", "shared")
    }


@pytest.mark.parametrize(
    ("posterior", "executor", "shard_size"),
    [("linear", *variant) for variant in VARIANTS]
    + [(posterior, *variant) for posterior in ("logistic", "shared") for variant in VARIANTS[::2]],
)
def test_evidence_and_posteriors_are_the_same_bits(
    posterior: str,
    executor: str,
    shard_size: int,
    many_titles: Workspace,
    expected_arrays: dict[str, Arrays],
    tmp_path: Path,
) -> None:
    expected = expected_arrays[posterior]
    arrays = learned(fresh_copy(many_titles, tmp_path), posterior, executor, shard_size)
    assert arrays.keys() == expected.keys()
    different = [name for name, array in arrays.items() if array.tobytes() != expected[name].tobytes()]
    assert different == []


def learned(workspace: Workspace, posterior: str, executor: str, shard_size: int) -> Arrays:
    """Every array that training left in evidence/ and posterior/, by file and name."""
    with open_executor(executor, workers=2) as shards:
        train(workspace, Config.of(posterior=posterior, retention=0.9), shards, silent, shard_size=shard_size)
    found: Arrays = {}
    for path in [*workspace.evidence.rglob("*.npz"), *workspace.generations.rglob("*.npz")]:
        with np.load(path, allow_pickle=False) as file:
            found |= {f"{path.relative_to(workspace.root)}:{name}": file[name] for name in file.files}
    assert any(name.startswith("evidence/beta") for name in found)
    assert any(f"posterior/{posterior}" in name for name in found)
    return found


def digest_of(rows: Mapping[str, bytes | None]) -> str:
    """One digest over all rows, by user."""
    digest = blake2b(digest_size=16)
    for user_id in sorted(rows):
        digest.update(user_id.encode() + b"\0" + (rows[user_id] or b""))
    return digest.hexdigest()
