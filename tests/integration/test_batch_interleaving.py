"""Generations whose users have picks of two variants, each for some titles: who chose what, everywhere by the same hash."""

import shutil
from pathlib import Path

import naive
import numpy as np
import polars as pl
import pytest
from make_impressions import identity_of, log_days, make_generation, picks_of, shorten

from bandit.errors import RowError
from bandit.hashing import hash_ids
from bandit.snapshot import BY_TITLE, NO_OVERLAY, Overlay, Splits, decode_row, keyed_hash
from batch.choosing.explain import explain
from batch.choosing.variants import places_of
from batch.config import Config, Variant
from batch.events.decisions import judge
from batch.events.recorded import RecordedGeneration
from batch.executors import open_executor
from batch.publishing.row_bytes import encoded_rows, published_meta
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.picks import recorded_pick
from batch.workspace.workspace import Workspace

SEED, SALT, SPLITS = 6, "mix", (0.5, 0.1)
FIRST, SECOND = Variant("first", "thompson"), Variant("second", "epsilon_greedy:epsilon=0.4", floor=0.1)
BOTH = Config((FIRST, SECOND), seed=SEED, salt=SALT, splits=SPLITS)
KEY = ["user_id", "title_id"]


@pytest.fixture(scope="module")
def logged(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Explore days, of which every test makes generations of its own copy."""
    root = tmp_path_factory.mktemp("interleaving")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    shorten(Workspace(root))
    log_days(Workspace(root), 2, 4000)
    return Workspace(root)


def copy_of(workspace: Workspace, to: Path) -> Workspace:
    shutil.copytree(workspace.root, to)
    return Workspace(to)


def with_shortlists(workspace: Workspace) -> None:
    """Give every user every second title, from another one on."""
    users, titles = (pl.read_parquet(path) for path in (workspace.users, workspace.titles))
    ids = titles["title_id"].to_list()
    lists = [ids[row % 3 :: 2] for row in range(users.height)]
    pl.DataFrame({"user_id": users["user_id"], "title_ids": lists}).write_parquet(workspace.root / "candidates.parquet")


def plain_picks(workspace: Workspace, generation: int) -> pl.DataFrame:
    frame = picks_of(workspace, generation)
    return frame.with_columns(pl.col("title_id", "policy").cast(pl.String)).sort(KEY)


def chosen_by(user_id: str, title_id: str) -> str:
    second = naive.chose_second(SEED, SALT, SPLITS, user_id, title_id)
    return SECOND.name if second else FIRST.name


@pytest.mark.parametrize("row_format", [2, 3])
@pytest.mark.parametrize("shortlists", [False, True], ids=["dense", "shortlists"])
def test_each_title_has_the_very_pick_of_the_variant_that_the_hash_names(
    logged: Workspace, tmp_path: Path, row_format: int, *, shortlists: bool
) -> None:
    if shortlists:
        logged = copy_of(logged, tmp_path / "shortlists")
        with_shortlists(logged)
    both, *alone = (
        plain_picks(copy, make_generation(copy, config=config, row_format=row_format))
        for name, config in {
            "both": BOTH,
            "first": Config((FIRST,), seed=SEED),
            "second": Config((SECOND,), seed=SEED),
        }.items()
        for copy in [copy_of(logged, tmp_path / name)]
    )
    assert both["policy"].to_list() == [chosen_by(*pair) for pair in both.select(KEY).iter_rows()]
    assert 0.2 < (both["policy"] == SECOND.name).sum() / both.height < 0.4
    expected = pl.concat(alone).join(both.select(*KEY, "policy"), on=[*KEY, "policy"], how="inner").sort(KEY)
    assert both.select(*KEY, "arm", "weight").equals(expected.select(*KEY, "arm", "weight"))


@pytest.mark.parametrize("row_format", [2, 3])
def test_rows_say_that_they_are_by_title_and_name_the_split(logged: Workspace, tmp_path: Path, row_format: int) -> None:
    here = copy_of(logged, tmp_path / "here")
    generation = make_generation(
        here,
        config=Config(BOTH.variants, seed=SEED, salt=SALT, splits=SPLITS, explore_share=0.2),
        row_format=row_format,
    )
    manifest, identity = read_manifest(here, generation), identity_of(here, generation)
    catalogue = Catalogue.read(folder_of(here, generation) / "catalogue.parquet")
    meta, _ = published_meta(here, manifest, catalogue)
    assert (meta.salt, meta.splits, meta.variants) == (SALT, SPLITS, ("first", "second", "uniform"))
    splits = Splits.of(meta.seed, meta.salt, meta.splits)
    frame = plain_picks(here, generation)
    named = dict(zip(frame.select(KEY).iter_rows(), frame["policy"], strict=True))
    seen = set()
    for user_id, raw in encoded_rows(here, generation):
        row = decode_row(raw, user_id, generation, identity)
        explores = keyed_hash("explore", SEED, generation, user_id, "") < 0.2 * 2**64
        assert row.by_title is not explores
        assert bool(raw[4] & BY_TITLE) is not explores
        assert naive.decode_row(raw, user_id, generation, identity).picks
        state = splits.user_state(user_id)
        for title_id in catalogue.title_ids:
            hashed = int(hash_ids([title_id])[0])
            place = splits.variant(row.variant, state, hashed) if row.by_title else row.variant
            assert named[user_id, title_id] == meta.variants[place]
        if row.by_title:
            assert row.variant == naive.split_of(SEED, SALT, 2, user_id)
        seen.add((row.by_title, row.variant))
    assert seen == {(True, 0), (True, 1), (False, 2)}


def test_the_rows_are_the_same_bytes_wherever_they_are_made(logged: Workspace, tmp_path: Path) -> None:
    made = []
    for executor, shard_size in (("serial", 5), ("processes", 1)):
        here = copy_of(logged, tmp_path / executor)
        with open_executor(executor, workers=2) as shards:
            generation = make_generation(here, config=BOTH, executor=shards, shard_size=shard_size)
        made.append(dict(encoded_rows(here, generation)))
    assert len(made[0]) == 600
    assert made[0] == made[1]


def test_weights_are_those_of_the_variant_of_the_title_for_slow_reader_join_and_explanation(
    logged: Workspace, tmp_path: Path
) -> None:
    here = copy_of(logged, tmp_path / "here")
    generation = make_generation(here, config=BOTH)
    folder, frame = folder_of(here, generation), plain_picks(here, generation)
    total = read_manifest(here, generation).row_format.total
    recorded = RecordedGeneration(here, generation)
    catalogue = Catalogue.read(folder / "catalogue.parquet").frame
    artworks = {
        (title, arm): own
        for title, arm, own in catalogue.with_columns(arm=pl.int_range(pl.len()).over("title_id"))
        .select("title_id", "arm", "artwork_id")
        .iter_rows()
    }
    some = frame.gather_every(97)
    rows = some.select(
        *KEY, artwork_id=pl.Series([artworks[title, arm] for title, arm in some.select("title_id", "arm").iter_rows()])
    )
    found = recorded.look_up(rows)
    assert found.policy.to_list() == some["policy"].to_list()
    assert found.picked.tolist() == some["arm"].to_list()
    weights = recorded.pick_weights(found.user, found.title)
    for place, (user_id, title_id, arm, weight, policy) in enumerate(
        some.select(*KEY, "arm", "weight", "policy").iter_rows()
    ):
        slow = naive.weights_from_files(folder, int(found.user[place]), int(found.title[place]))
        assert np.abs(weights[place, : len(slow)] - slow).max() <= 1
        assert weights[place, arm] == weight
        made = explain(here, user_id, title_id, None)
        shown = next(artwork for artwork in made.artworks if artwork.artwork_id == made.shown)
        assert (shown.arm, shown.weight, made.policy, made.shown_propensity) == (arm, weight, policy, weight / total)
        assert made.split == SPLITS[naive.split_of(SEED, SALT, 2, user_id)]
        pick = recorded_pick(here, generation, user_id, title_id)
        assert pick is not None
        assert (pick.policy, pick.arm) == (policy, arm)


def test_the_join_takes_the_propensity_of_the_variant_of_the_title_through_retired_artworks_too(
    logged: Workspace, tmp_path: Path
) -> None:
    here = copy_of(logged, tmp_path / "here")
    generation = make_generation(here, config=BOTH)
    recorded, folder = RecordedGeneration(here, generation), folder_of(here, generation)
    catalogue = Catalogue.read(folder / "catalogue.parquet")
    ids = [own["artwork_id"].to_list() for _, own in catalogue.frame.group_by("title_id", maintain_order=True)]
    retired = {title: (own[0],) for title, own in zip(catalogue.title_ids, ids, strict=True) if len(own) > 1}
    some = plain_picks(here, generation).gather_every(53)
    of_title = dict(zip(catalogue.title_ids, ids, strict=True))
    shown = [of_title[title][arm] for title, arm in some.select("title_id", "arm").iter_rows()]
    rows = some.select(*KEY, source=pl.lit("personalized"), artwork_id=pl.Series(shown))
    rows = rows.with_columns(segment=pl.lit(None, dtype=pl.String))
    for revision, overlay in enumerate((NO_OVERLAY, Overlay(1, retired))):
        judged = judge(recorded, rows.with_columns(revision=pl.lit(revision)), {revision: overlay})
        for place, (user_id, title_id, arm, weight, policy) in enumerate(
            some.select(*KEY, "arm", "weight", "policy").iter_rows()
        ):
            gone = revision == 1 and arm == 0 and title_id in retired
            assert judged.reason[place] == ("retired artwork" if gone else "")
            if gone:
                continue
            expected = float(weight)
            if revision == 1 and title_id in retired:
                title = catalogue.title_ids.index(title_id)
                user = here_users(here).index(user_id)
                start = int(catalogue.starts[title])
                left = catalogue.frame["popularity_weight"][start + 1 : start + len(of_title[title_id])].to_list()
                expected += naive.weights_from_files(folder, user, title)[0] * left[arm - 1] / sum(left)
            assert judged.policy[place] == policy
            assert judged.propensity[place] == pytest.approx(expected / recorded.total, abs=1.5 / recorded.total)


def here_users(workspace: Workspace) -> list[str]:
    return pl.read_parquet(workspace.users)["user_id"].to_list()


def test_users_keep_titles_and_splits_in_all_generations_of_a_seed_and_a_salt() -> None:
    users, title = hash_ids([f"u{number}" for number in range(4000)]), hash_ids(["t1"])[0]
    first = places_of(BOTH, 1, users)
    again = places_of(BOTH, 1000, users)
    assert (first.rows == again.rows).all()
    assert (first.of_title(title) == again.of_title(title)).all()
    other = places_of(Config(BOTH.variants, seed=SEED, salt="another", splits=SPLITS), 1, users)
    assert (first.rows != other.rows).mean() == pytest.approx(0.5, abs=0.03)


def test_another_user_s_row_is_refused_by_title_too(logged: Workspace, tmp_path: Path) -> None:
    here = copy_of(logged, tmp_path / "here")
    generation = make_generation(here, config=BOTH)
    rows = list(encoded_rows(here, generation))
    with pytest.raises(RowError, match="checksum"):
        decode_row(rows[0][1], rows[1][0], generation, identity_of(here, generation))
