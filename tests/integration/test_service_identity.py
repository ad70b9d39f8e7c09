"""A store that is emptied and filled from another workspace under the same number: nobody is shown that number's old artwork."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import redis
from faults import Service, running_service, until
from make_impressions import Served, identity_of, make_generation, picks_of, served, silent, stored_rows
from shell import call

from bandit.errors import InputError
from bandit.snapshot import row_key
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.publishing.publish import publish
from batch.publishing.row_bytes import encoded_rows
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.workspace import Workspace

USERS = 40
PATIENT = {"store_deadline_ms": "5000"}


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Workspace]:
    """Two workspaces with the same users and titles, whose generation 1 differs in its seed and in its artworks' order."""
    found = []
    for seed in (1, 2):
        made = Workspace(tmp_path_factory.mktemp("workspace"))
        write(made, synthetic.build(n_users=USERS, n_titles=12, seed=3 + seed))
        make_generation(made, seed=seed)
        found.append(made)
    return found[0], found[1]


@pytest.fixture
def service(
    tmp_path: Path, store: str, client: redis.Redis, workspaces: tuple[Workspace, Workspace]
) -> Iterator[Service]:
    """A service of the first workspace's generation."""
    publish(workspaces[0], 1, client, store, silent)
    with running_service(tmp_path, store, **PATIENT) as service:
        until(lambda: service.get("/readyz").status_code == 200, "ready")
        yield service


def right_picks(workspace: Workspace) -> dict[tuple[str, str], tuple[str, float]]:
    """(artwork, propensity) of every user and title of generation 1, as its files have them."""
    folder = folder_of(workspace, 1)
    artworks = Catalogue.read(folder / "catalogue.parquet").keys().with_columns(pl.col("arm").cast(pl.UInt8))
    picks = picks_of(workspace, 1)
    joined = picks.join(artworks, on=["title_id", "arm"])
    assert joined.height == picks.height
    total = read_manifest(workspace, 1).row_format.total
    return {
        (row["user_id"], row["title_id"]): (row["artwork_id"], row["weight"] / total)
        for row in joined.iter_rows(named=True)
    }


def answers(service: Service, workspace: Workspace) -> dict[tuple[str, str], tuple[str, float]]:
    """The same as the service says, of those picks that it calls personalized."""
    title_ids = pl.read_parquet(workspace.titles)["title_id"].to_list()
    query = "&".join(f"title_id={title_id}" for title_id in title_ids)
    users = pl.read_parquet(workspace.users)["user_id"].to_list()
    pages = [service.get(f"/v1/users/{user}/artwork?{query}").json()["picks"] for user in users]
    return {
        (pick["user_id"], pick["title_id"]): (pick["artwork_id"], pick["propensity"])
        for page in pages
        for pick in page
        if pick["source"] == "personalized"
    }


def test_a_store_refilled_from_another_workspace_under_the_same_number_and_flip_is_served_as_what_it_is(
    service: Service, store: str, client: redis.Redis, workspaces: tuple[Workspace, Workspace]
) -> None:
    one, two = workspaces
    assert answers(service, one) == right_picks(one)
    client.flushdb()
    publish(two, 1, client, store, silent)
    assert served(client) == Served(1, 1)
    until(lambda: service.get("/readyz").json()["identity"] == identity_of(two, 1), "the other one")
    assert service.degraded() == []
    assert answers(service, two) == right_picks(two)


def test_rows_of_another_workspace_under_the_number_that_is_served_are_never_shown(
    service: Service, client: redis.Redis, workspaces: tuple[Workspace, Workspace]
) -> None:
    one, two = workspaces
    rows = dict(list(encoded_rows(two, 1))[::2])
    client.mset({row_key(1, user): row for user, row in rows.items()})
    told = answers(service, one)
    assert told == {key: pick for key, pick in right_picks(one).items() if key[0] not in rows}
    assert service.total("artwork_row_errors_total", reason="checksum") == len(rows) == USERS / 2


def test_a_service_that_starts_from_its_kept_catalogue_follows_a_store_that_was_refilled(
    tmp_path: Path, store: str, client: redis.Redis, workspaces: tuple[Workspace, Workspace]
) -> None:
    one, two = workspaces
    publish(one, 1, client, store, silent)
    with running_service(tmp_path, store, **PATIENT) as service:
        until((tmp_path / "service" / "catalogue.bin").exists, "kept")
    client.flushdb()
    publish(two, 1, client, store, silent)
    with running_service(tmp_path, store, **PATIENT) as service:
        until(lambda: service.get("/readyz").json().get("identity") == identity_of(two, 1), "the other one")
        assert answers(service, two) == right_picks(two)


def test_two_copies_of_a_workspace_make_the_same_identity_and_the_same_bytes_and_may_share_a_store(
    store: str, client: redis.Redis, workspaces: tuple[Workspace, Workspace], tmp_path: Path
) -> None:
    one = workspaces[0]
    copies = [Workspace(tmp_path / name) for name in ("first", "second")]
    stored = []
    for copy in copies:
        shutil.copytree(one.root, copy.root)
        make_generation(copy, seed=5)
        publish(copy, 2, client, store, silent)
        stored.append(stored_rows(client, copy, 2))
    assert identity_of(copies[0], 2) == identity_of(copies[1], 2)
    assert stored[0] == stored[1]
    make_generation(one, seed=6)
    with pytest.raises(InputError, match="published from another workspace"):
        publish(one, 2, client, store, silent)


def test_a_generation_of_another_workspace_under_the_same_number_is_listed_as_that(
    store: str, client: redis.Redis, workspaces: tuple[Workspace, Workspace]
) -> None:
    one, two = workspaces
    publish(one, 1, client, store, silent)
    variables = {"ARTWORK_REDIS_URL": store}
    own = json.loads(call("generations", "list", "-w", str(one.root), "--json", **variables).out)
    other = json.loads(call("generations", "list", "-w", str(two.root), "--json", **variables).out)
    assert [(each["stage"], each["in_store"], each["current"]) for each in own if each["generation"] == 1] == [
        ("precomputed", True, True)
    ]
    assert [(each["stage"], each["in_store"], each["current"]) for each in other] == [
        ("precomputed", False, False),
        ("(not here)", True, True),
    ]


def test_what_is_explained_is_not_called_served_where_the_store_has_another_workspaces_generation_of_its_number(
    store: str, client: redis.Redis, workspaces: tuple[Workspace, Workspace]
) -> None:
    publish(workspaces[0], 1, client, store, silent)
    explained = []
    for workspace in workspaces:
        user, title = (pl.read_parquet(path)[name][0] for path, name in
                       ((workspace.users, "user_id"), (workspace.titles, "title_id")))  # fmt: skip
        words = ("explain", "--user", user, "--title", title, "--generation", "1", "-w", str(workspace.root), "--json")
        explained.append(json.loads(call(*words, ARTWORK_REDIS_URL=store).out)["current"])
    assert explained == [1, None]
