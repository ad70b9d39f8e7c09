"""A workspace from before there were variants, which `fixtures/make_released_workspace.py` made."""

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zlib import decompress

import pytest
import redis
from make_impressions import silent
from shell import runtime_folder

from bandit.evaluation import Settings
from bandit.hashing import hash_ids
from bandit.snapshot import meta_key, row_prefix
from batch.choosing.explain import explain
from batch.choosing.variants import variants_of
from batch.config import Config, Variant
from batch.executors import SerialExecutor
from batch.job import run
from batch.offline.compare import Request, compare
from batch.offline.live_pairs import online_pairs
from batch.publishing.flips import activate, published_current, rollback
from batch.publishing.publish import publish
from batch.publishing.rebuild import rebuild_store
from batch.store.client import URL_VARIABLE, connect, read_bytes
from batch.store.embedded import stop_store
from batch.workspace.generations import finished, read_manifest, verify_files
from batch.workspace.workspace import Workspace

RELEASED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "fixtures" / "released_workspace.json").read_text())
MADE: list[dict[str, Any]] = RELEASED["generations"]
NUMBERS = range(1, 1 + len(MADE))
EXPLAINED = [(number, told) for number, made in zip(NUMBERS, MADE, strict=True) for told in made["explained"]]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("released") / "w"
    for name, content in RELEASED["files"].items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(decompress(base64.b64decode(content)))
    return root


@pytest.fixture
def released(unpacked: Path, tmp_path: Path) -> Iterator[Workspace]:
    """The workspace, of which the files that a generation is made of stay as they are whatever a test does with it."""
    shutil.copytree(unpacked, tmp_path / "w")
    yield Workspace(tmp_path / "w")
    for path in (unpacked / "generations").rglob("*.*"):
        assert (tmp_path / "w" / path.relative_to(unpacked)).read_bytes() == path.read_bytes()


def held(client: redis.Redis, generation: int) -> dict[str, Any]:
    """The meta of a generation in the store, and a digest of its rows in the order of users."""
    digest = blake2b(digest_size=16)
    keys = sorted(client.scan_iter(f"{row_prefix(generation)}*"))
    for key, row in zip(keys, read_bytes(client, keys), strict=True):
        digest.update(key + b"\0" + (row or b""))
    [meta] = read_bytes(client, [meta_key(generation)])
    return {"meta": (meta or b"").decode(), "rows": len(keys), "digest": digest.hexdigest()}


def then(generation: int) -> dict[str, Any]:
    return {name: MADE[generation - 1][name] for name in ("meta", "rows", "digest")}


def test_its_generations_open_as_variants_with_the_names_and_the_identities_of_then(released: Workspace) -> None:
    assert finished(released, "precomputed") == list(NUMBERS)
    for number, made in zip(NUMBERS, MADE, strict=True):
        manifest = read_manifest(released, number)
        verify_files(released, manifest)
        meta = json.loads(made["meta"])
        assert manifest.identity == made["identity"] == meta["identity"]
        assert manifest.digest == meta["manifest_digest"]
        assert list(manifest.config.names) == meta["variants"]
        assert " and ".join(variant.label for variant in manifest.config.variants) == made["policies"]


@pytest.mark.parametrize(("generation", "told"), EXPLAINED, ids=lambda value: str(value)[:60])
def test_its_picks_are_explained_with_the_weights_of_then(
    generation: int, told: dict[str, Any], released: Workspace
) -> None:
    made = explain(released, told["user_id"], told["title_id"], generation)
    names = ("policy", "posterior", "explores", "shown", "recorded")
    assert {name: getattr(made, name) for name in names} == {name: told[name] for name in names}
    # Elsewhere than on the processor of then a sum may differ in its last bit, and a weight by one.
    weights = [artwork.weight for artwork in made.artworks]
    assert max(abs(one - other) for one, other in zip(weights, told["weights"], strict=True)) <= 1


def test_what_its_policies_came_to_live_is_what_it_was(released: Workspace) -> None:
    pairs = online_pairs(released, "take", Settings(resamples=400, seed=2))
    assert len(pairs) == len(RELEASED["online"]) == 2
    for pair, before in zip(pairs, RELEASED["online"], strict=True):
        assert pair.difference == pytest.approx(before["difference"])
        for rate, told in ((pair.policy, before["policy"]), (pair.against, before["against"])):
            assert (rate.policy, rate.users, rate.impressions) == (told["policy"], told["users"], told["impressions"])


def test_its_policies_are_compared_on_its_log(released: Workspace) -> None:
    made = compare(Request(workspace=released.root, policies="uniform,thompson,popularity"), silent)
    assert made.impressions == 1600
    assert {result.policy for result in made.evaluation.results} >= {"uniform", "thompson", "popularity"}
    assert [(pair.online.policy.policy, pair.online.against.policy) for pair in made.online] == [
        (before["policy"]["policy"], before["against"]["policy"]) for before in RELEASED["online"]
    ]
    assert made.online[0].offline is not None


@pytest.mark.parametrize("generation", NUMBERS)
def test_its_generations_are_published_again_as_the_same_bytes(
    generation: int, released: Workspace, client: redis.Redis, store: str
) -> None:
    publish(released, generation, client, store, silent)
    assert held(client, generation) == then(generation)


def test_its_generations_are_activated_and_rolled_back_to(released: Workspace, client: redis.Redis, store: str) -> None:
    for generation in (1, 2):
        publish(released, generation, client, store, silent)
    activate(client, 1)
    assert rollback(client).generation == 2
    current = published_current(client)
    assert current is not None
    assert (current.generation, current.identity) == (2, MADE[1]["identity"])


def test_its_store_is_rebuilt(released: Workspace) -> None:
    with runtime_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        patch.delenv(URL_VARIABLE, raising=False)
        with connect(rebuild_store(released, silent).url) as client:
            assert held(client, NUMBERS[-1]) == then(NUMBERS[-1])
        stop_store(released.root)


def test_its_next_generation_has_variants_and_the_same_users(
    released: Workspace, client: redis.Redis, store: str
) -> None:
    before = Config.of("thompson", "popularity", share=0.4, posterior="shared", explore_share=0.2, seed=5)
    assert read_manifest(released, 1).config == before
    first, second = before.variants
    clicks = Variant("clicks", reward="click", share=0.1)  # whose users are of the variant before it
    config = Config((replace(first, share=None), clicks, second), seed=5)
    ran = run(released, config, SerialExecutor(), store, silent, shard_size=4)
    assert ran.published.generation == len(MADE) + 1
    assert json.loads(held(client, ran.published.generation)["meta"])["variants"] == [
        "thompson",
        "clicks",
        "popularity",
    ]
    users = hash_ids(f"u{number:04d}" for number in range(1, 41))
    then_popular, popular = variants_of(before, users) == 1, variants_of(config, users) == 2
    assert (then_popular == popular).all()
    assert 0 < popular.sum() < len(users)
