"""Segments of a generation: formed from its users, weighed like users, published beside popularity, and served."""

from itertools import pairwise

import naive
import numpy as np
import polars as pl
import pytest
import redis
from make_impressions import FIRST_DAY, log_days, make_generation, shorten, silent

from bandit.snapshot import (
    Meta,
    decode_catalogue,
    decode_meta,
    meta_key,
    part_key,
    segment_weights,
)
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.executors import SerialExecutor, open_executor
from batch.learning.train import train
from batch.monitoring.frozen import FrozenModel
from batch.monitoring.nights import NightReader
from batch.publishing.publish import publish
from batch.store.client import read_bytes
from batch.workspace.generations import SEGMENT_WEIGHTS, SEGMENTS, folder_of, read_manifest
from batch.workspace.impressions import append_impressions, day_files
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace


def stored_meta(client: redis.Redis, number: int) -> Meta:
    [raw] = read_bytes(client, [meta_key(number)])
    return decode_meta(raw or b"")


def weights_of(workspace: Workspace, number: int) -> tuple[list[str], np.ndarray]:
    frame = pl.read_parquet(folder_of(workspace, number) / SEGMENT_WEIGHTS)
    return frame["name"].to_list(), np.array(frame["weights"].to_list())


@pytest.mark.parametrize(
    ("policy", "posterior"),
    [
        ("thompson", "linear"),
        ("thompson", "shared"),
        ("thompson", "logistic"),
        ("linucb", "linear"),
        ("softmax:temperature=0.05", "linear"),
        ("uniform", "linear"),
        ("popularity", "linear"),
    ],
)
def test_a_segment_explores_only_what_sets_it_apart_from_everybody(
    workspace: Workspace, policy: str, posterior: str
) -> None:
    shorten(workspace)
    log_days(workspace, 1, 3000)
    number = make_generation(workspace, policy, seed=4, posterior=posterior)
    names, weights = weights_of(workspace, number)
    starts = np.cumsum([0, *pl.read_parquet(workspace.artworks).group_by("title_id").len().sort("title_id")["len"]])
    for place in (0, len(names) // 2, len(names) - 1):
        for title in (0, 5):
            own = weights[place, starts[title] : starts[title + 1]]
            expected = naive.segment_weights_from_files(folder_of(workspace, number), place, title)
            assert own.sum() == 65535
            assert np.abs(own - np.array(expected)[: len(own)]).max() <= 1


def test_where_a_segment_is_expected_to_take_less_it_is_shown_what_is_popular(workspace: Workspace) -> None:
    shorten(workspace)
    log_days(workspace, 1, 3000)
    number = make_generation(workspace, "thompson", seed=4)
    _, weights = weights_of(workspace, number)
    catalogue = pl.read_parquet(folder_of(workspace, number) / "catalogue.parquet")
    popular = catalogue["popularity_weight"].to_numpy()
    starts = np.cumsum([0, *catalogue.group_by("title_id", maintain_order=True).len()["len"]])
    as_popular = [(weights[:, start:stop] == popular[start:stop]).all(axis=1) for start, stop in pairwise(starts)]
    assert 0.05 < np.mean(as_popular) < 0.95


def test_a_segment_of_everybody_is_shown_what_is_best_for_everybody(workspace: Workspace) -> None:
    shorten(workspace)
    log_days(workspace, 1, 300)  # so few that Thompson sampling shows a user every artwork
    users = pl.read_parquet(workspace.users)
    users.with_columns(country=pl.lit("US"), device=pl.lit("tv"), campaign=pl.lit(None, pl.String)).write_parquet(
        workspace.users
    )
    number = make_generation(workspace, "thompson", seed=4)
    _, weights = weights_of(workspace, number)
    starts = np.cumsum([0, *pl.read_parquet(workspace.artworks).group_by("title_id").len().sort("title_id")["len"]])
    floors = read_manifest(workspace, number).config.floors[0]
    for start, stop in pairwise(starts):
        own = np.sort(weights[:, start:stop] / 65535, axis=1)
        assert own[:, -2].max() < floors.floor + 0.5 / (stop - start - 1)


def test_segments_are_published_beside_popularity(workspace: Workspace, client: redis.Redis, store: str) -> None:
    number = make_generation(workspace, "thompson")
    publish(workspace, number, client, store, silent)
    meta = stored_meta(client, number)
    keys = [part_key(meta.catalogue_digest, part) for part in range(meta.catalogue_parts)]
    parts = [part or b"" for part in read_bytes(client, keys)]
    catalogue = decode_catalogue(parts, meta.catalogue_digest, meta.counts)
    names, weights = weights_of(workspace, number)
    assert meta.segments == len(names) > 10
    assert [segment.name for segment in catalogue.segments] == names
    assert {"US", "tv", "US-tv"} <= set(names)
    start = 0
    for title in catalogue.titles:
        size = len(title.artworks)
        for place in range(len(names)):
            assert segment_weights(title.segments, place, size) == tuple(weights[place, start : start + size])
        start += size


def test_users_in_one_slice_and_in_the_whole_table_form_the_same_segments(workspace: Workspace) -> None:
    sliced = make_generation(workspace)
    users = pl.read_parquet(workspace.users)
    users.sample(fraction=1.0, shuffle=True, seed=1).write_parquet(workspace.users)  # so that they are read whole
    whole = make_generation(workspace)
    for name in (SEGMENTS, SEGMENT_WEIGHTS):
        assert (folder_of(workspace, sliced) / name).read_bytes() == (folder_of(workspace, whole) / name).read_bytes()


def test_weights_of_segments_are_the_same_bytes_in_processes(workspace: Workspace) -> None:
    log_days(workspace, 1, 2000)
    config = Config.of("thompson", seed=3)
    serial = make_generation(workspace, config=config)
    with open_executor("processes", 2) as executor:
        other = make_generation(workspace, config=config, executor=executor)
    paths = [folder_of(workspace, number) / SEGMENT_WEIGHTS for number in (serial, other)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_identity_is_known_before_weights_are_and_depends_on_the_segments(workspace: Workspace) -> None:
    trained = train(workspace, Config(), SerialExecutor(), silent, shard_size=4)
    before = read_manifest(workspace, trained.generation)
    assert trained.segments == pl.read_parquet(folder_of(workspace, trained.generation) / SEGMENTS).height
    precompute(workspace, trained.generation, SerialExecutor(), silent, shard_size=4)
    after = read_manifest(workspace, trained.generation)
    assert after.identity == before.identity
    assert SEGMENT_WEIGHTS in after.checksums
    changed = after.checksums | {SEGMENTS: "0" * 32}
    assert type(after)(**(vars(after) | {"checksums": changed})).identity != after.identity


def test_users_without_signals_make_a_generation_without_segments(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    users = pl.read_parquet(workspace.users)
    users.with_columns(pl.lit(None, pl.String).alias(name) for name in ("country", "device", "campaign")).write_parquet(
        workspace.users
    )
    number = make_generation(workspace)
    assert not {SEGMENTS, SEGMENT_WEIGHTS} & read_manifest(workspace, number).checksums.keys()
    publish(workspace, number, client, store, silent)
    assert stored_meta(client, number).segments == 0


@pytest.mark.parametrize("hours", [[24], [-1], [1.5], ["noon"]])
def test_an_hour_that_is_none_is_refused(workspace: Workspace, hours: list[object]) -> None:
    users = pl.read_parquet(workspace.users)
    users.with_columns(hour=pl.Series(hours * users.height)).write_parquet(workspace.users)
    with pytest.raises(Exception, match="column hour, row 1"):
        read_tables(workspace)


def test_hours_of_users_form_segments(workspace: Workspace) -> None:
    users = pl.read_parquet(workspace.users)
    users.with_columns(hour=pl.Series([20, None] * (users.height // 2), dtype=pl.Int64)).write_parquet(workspace.users)
    number = make_generation(workspace)
    frame = pl.read_parquet(folder_of(workspace, number) / SEGMENTS)
    assert frame.filter(pl.col("name") == "evening")["users"].to_list() == [users.height // 2]


def test_contexts_of_segments_do_not_change_what_is_watched_of_contexts(workspace: Workspace) -> None:
    shorten(workspace)
    log_days(workspace, 1, 400)
    frozen = FrozenModel(workspace, read_manifest(workspace, make_generation(workspace, "thompson")))
    before = NightReader(workspace, frozen).read(FIRST_DAY)
    own = pl.read_parquet(day_files(workspace, FIRST_DAY), hive_partitioning=False)
    new = own.with_columns(
        *(("new-" + pl.col(name)).alias(name) for name in ("user_id", "event_id")),
        source=pl.lit("segment"),
        context=pl.col("context").list.eval(pl.element() * 0),
    )
    append_impressions(workspace, FIRST_DAY, new)
    after = NightReader(workspace, frozen).read(FIRST_DAY)
    assert before.users > 0
    assert (after.users, after.features) == (before.users, before.features)
