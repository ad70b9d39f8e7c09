"""What the controller tells of a workspace is what the workspace holds, also while a night writes."""

import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
from make_impressions import FIRST_DAY, draw_impressions, make_generation
from web_stage import Client, NotedStage

from artwork.web.words import GENRE_WORDS
from bandit.simulation.world import World
from batch.choosing.explain import explain
from batch.datasets.contexts import FEATURES
from batch.datasets.ratings import GENRES
from batch.workspace.catalogue_changes import retire
from batch.workspace.generations import folder_of
from batch.workspace.impressions import append_impressions, day_files
from batch.workspace.overlays import read_overlay
from batch.workspace.workspace import Workspace

USERS = ("u0001", "u0123", "u0456", "u0600")
TITLES = ("t0001", "t0007", "t0012")
SCRIPT = "<script>alert(1)</script> & \"'"
SHOWN_DAYS = 2


@pytest.fixture(scope="module")
def learned_root(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of uniform picks of generation 1, what they taught generation 2, and a day of its own picks."""
    root = tmp_path_factory.mktemp("learned-web")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    workspace = Workspace(root)
    titles = pl.read_parquet(workspace.titles)
    renamed = pl.when(pl.col("title_id") == "t0001").then(pl.lit(SCRIPT)).otherwise(pl.col("name"))
    titles.with_columns(name=renamed).write_parquet(workspace.titles)
    make_generation(workspace, "uniform")
    append_impressions(workspace, FIRST_DAY, draw_impressions(workspace, FIRST_DAY, 4000))
    generation = make_generation(workspace, "thompson", seed=3)
    following = FIRST_DAY.replace(day=2)
    drawn = draw_impressions(workspace, following, 3000)
    picks = drawn.with_columns(policy=pl.lit("thompson"), generation=pl.lit(generation, dtype=pl.Int64))
    append_impressions(workspace, following, picks)
    return root


@pytest.fixture
def stage(learned_root: Path, tmp_path: Path) -> NotedStage:
    shutil.copytree(learned_root, tmp_path / "w")
    workspace = Workspace(tmp_path / "w")
    return NotedStage(workspace, world=World.load(workspace.truth))


@pytest.fixture
def client(stage: NotedStage) -> Iterator[Client]:
    with Client(stage) as client:
        yield client


def told(client: Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def plain(value: object) -> Any:
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("user", USERS)
def test_an_explanation_is_that_of_the_command(client: Client, stage: NotedStage, user: str, title: str) -> None:
    shown = told(client, f"/api/explain/{user}/{title}?generation=2")
    expected = plain(asdict(explain(stage.workspace, user, title, 2)))
    assert {name: shown[name] for name in expected} == expected


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("user", [*USERS, "new-1", "new-2", "new-3", "new-4"])
def test_the_draw_step_by_step_ends_at_what_is_shown(client: Client, user: str, title: str) -> None:
    shown = told(client, f"/api/explain/{user}/{title}?generation=2")
    draw = shown["draw"]
    assert draw["cumulative"][-1] == draw["total"]
    assert draw["point"] == int(draw["hash"], 16) * draw["total"] >> 64
    arm = next(arm for arm, weight in enumerate(draw["cumulative"]) if weight > draw["point"])
    assert shown["artworks"][arm]["artwork_id"] == shown["shown"]
    assert draw["weights"][arm] / draw["total"] == shown["shown_propensity"]


def test_somebody_whom_nobody_knows_is_explained_by_popularity(client: Client) -> None:
    shown = told(client, "/api/explain/new-1/t0001")
    assert (shown["source"], shown["recorded"], shown["truth"], shown["features"]) == ("popularity", None, None, [])


def test_the_draw_of_a_retired_pick_is_the_one_that_answers_instead(client: Client, stage: NotedStage) -> None:
    before = told(client, "/api/explain/u0001/t0001")
    retire(stage.workspace, "t0001", before["shown"])
    shown = told(client, "/api/explain/u0001/t0001")
    assert (shown["instead_of"], shown["source"]) == (before["shown"], "popularity")
    arm = next(arm for arm, weight in enumerate(shown["draw"]["cumulative"]) if weight > shown["draw"]["point"])
    assert shown["artworks"][arm]["artwork_id"] == shown["shown"] != before["shown"]
    assert shown["best"] not in shown["retired"]


def test_the_truth_beside_an_explanation_is_the_worlds(client: Client, stage: NotedStage) -> None:
    shown = told(client, "/api/explain/u0123/t0007")
    assert stage.world is not None
    [expected] = stage.world.take_probabilities(np.array([122]), 6)
    assert list(shown["truth"].values()) == pytest.approx(expected)
    assert shown["best"] == list(shown["truth"])[int(expected.argmax())]


def test_without_a_world_nobody_claims_to_know_the_truth(client: Client, stage: NotedStage) -> None:
    stage.world = None
    assert told(client, "/api/session")["truth"] is False
    shown = told(client, "/api/explain/u0123/t0007")
    assert (shown["truth"], shown["best"]) == (None, None)
    assert {
        artwork["clickbait"] for title in told(client, "/api/catalogue")["titles"] for artwork in title["artworks"]
    } == {None}


def test_a_world_of_other_artworks_is_not_taken_for_the_truth(client: Client, stage: NotedStage) -> None:
    assert stage.world is not None
    stage.world = stage.world.select(np.arange(600), np.arange(11))
    assert told(client, "/api/explain/u0123/t0007")["truth"] is None


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/users/nobody", 404),
        ("/api/explain/u0001/nothing", 404),
        ("/api/explain/u0001/t0001?generation=99", 404),
        ("/api/explain/u0001/t0001?generation=0", 422),
        ("/api/explain/u0001/t0001?generation=1e3", 422),
        ("/api/explain/u0001/t0001?generation=99999999999999999999999", 404),
        ("/api/title/nothing/history", 404),
        ("/api/users/a%20b", 422),
        ("/api/users/" + "x" * 65, 422),
        ("/api/rows/%00", 422),
        ("/api/users?limit=-1", 422),
        ("/api/users?limit=101", 422),
        ("/api/users?search=" + "x" * 201, 422),
        ("/posters/t0001/nothing.svg", 404),
        ("/posters/nothing/a01.svg", 404),
    ],
)
def test_what_is_not_there_or_no_id_is_refused_in_words(client: Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["detail"]


@pytest.mark.parametrize("search", ["", "u01", "U01", "tv", "tv us", "us tv", "zz", "%", "*", "\\", "u0001 tv web"])
def test_a_search_finds_the_users_that_have_every_word(client: Client, stage: NotedStage, search: str) -> None:
    rows = (
        pl.read_parquet(stage.workspace.users).select("user_id", "country", "device", "campaign").sort("user_id").rows()
    )
    texts = {row[0]: " ".join(filter(None, row)).lower() for row in rows}
    expected = {user for user, text in texts.items() if all(word in text for word in search.lower().split())}
    given = told(client, f"/api/users?limit=100&search={search.replace('%', '%25').replace(' ', '+')}")["users"]
    assert len(given) == min(100, len(expected))
    assert {user["user_id"] for user in given} <= expected


def test_a_user_likes_the_genres_that_stand_out_in_their_context(client: Client, stage: NotedStage) -> None:
    users = pl.read_parquet(stage.workspace.users)
    for user in USERS:
        context = dict(zip(FEATURES, users.filter(pl.col("user_id") == user)["context"][0], strict=True))
        likes = told(client, f"/api/users/{user}")["likes"]
        assert [like["value"] for like in likes] == sorted((like["value"] for like in likes), reverse=True)
        assert all(like["value"] == pytest.approx(context[like["genre"]], abs=1e-3) for like in likes)
        assert len(likes) <= 3


def test_a_random_user_is_one_of_the_workspace(client: Client) -> None:
    user = told(client, "/api/users/random")
    assert told(client, f"/api/users/{user['user_id']}") == user


@pytest.mark.parametrize("user", [*USERS, "new-1"])
def test_rows_hold_known_titles_once_each_and_begin_with_the_user(client: Client, user: str) -> None:
    known = {title["title_id"]: title for title in told(client, "/api/catalogue")["titles"]}
    rows = told(client, f"/api/rows/{user}")["rows"]
    for row in rows:
        assert set(row["title_ids"]) <= known.keys()
        assert 0 < len(row["title_ids"]) == len(set(row["title_ids"])) <= 20
    assert {"new", "trending"} <= {row["kind"] for row in rows}
    assert [row["kind"] for row in rows if row["kind"] == "because"] == [] or rows[0]["kind"] == "because"


def test_a_row_because_of_a_genre_has_titles_of_that_genre(client: Client, stage: NotedStage) -> None:
    titles = pl.read_parquet(stage.workspace.titles)
    lists = [[genre for genre in GENRES if (place + len(genre)) % 2] for place in range(titles.height)]
    titles.with_columns(genres=pl.Series(lists)).write_parquet(stage.workspace.titles)
    genres = dict(zip(titles["title_id"], lists, strict=True))
    named = {f"Because you watch {words}": genre for genre, words in GENRE_WORDS.items()}
    headings = 0
    for user in told(client, "/api/users?limit=60")["users"]:
        for row in told(client, f"/api/rows/{user['user_id']}")["rows"]:
            if row["kind"] == "because":
                assert all(named[row["heading"]] in genres[title] for title in row["title_ids"])
                headings += 1
    assert headings


def test_the_titles_that_a_user_took_lately_are_offered_again(client: Client, stage: NotedStage) -> None:
    files = [path for day in (1, 2) for path in day_files(stage.workspace, FIRST_DAY.replace(day=day))]
    taken = pl.scan_parquet(files, hive_partitioning=False).filter(pl.col("reward") == 1).collect()
    [user] = taken.group_by("user_id").agg(pl.col("title_id").n_unique()).sort("title_id")["user_id"].tail(1)
    own = set(taken.filter(pl.col("user_id") == user)["title_id"])
    [again] = [row for row in told(client, f"/api/rows/{user}")["rows"] if row["kind"] == "again"]
    assert set(again["title_ids"]) == own


def test_a_titles_history_counts_its_impressions(client: Client, stage: NotedStage) -> None:
    days = told(client, "/api/title/t0007/history")["days"]
    assert [(day["day"], day["generation"]) for day in days] == [("2026-01-01", 1), ("2026-01-02", 2)]
    for number, day in enumerate(days, 1):
        rows = pl.concat(map(pl.read_parquet, day_files(stage.workspace, FIRST_DAY.replace(day=number))))
        own = rows.filter(pl.col("title_id") == "t0007")
        assert sum(artwork["impressions"] for artwork in day["artworks"].values()) == own.height
        assert sum(artwork["share"] for artwork in day["artworks"].values()) == pytest.approx(1)
        for artwork_id, artwork in day["artworks"].items():
            shown = own.filter(pl.col("artwork_id") == artwork_id)
            assert artwork["take_rate"] == pytest.approx(shown["reward"].mean())


def test_generations_say_how_they_were_made(client: Client) -> None:
    made = told(client, "/api/generations")["generations"]
    assert [(one["generation"], one["policy"], one["parent"], one["state"]) for one in made] == [
        (1, "uniform", None, "made"),
        (2, "thompson", 1, "made"),
    ]
    assert made[1]["impressions"] == 4000


def test_calibration_compares_the_posterior_with_the_newest_day(client: Client, stage: NotedStage) -> None:
    told_bins = told(client, "/api/calibration")
    assert (told_bins["generation"], told_bins["day"]) == (2, "2026-01-02")
    bins = told_bins["bins"]
    rows = pl.concat(map(pl.read_parquet, day_files(stage.workspace, FIRST_DAY.replace(day=2))))
    assert sum(one["impressions"] for one in bins) == rows.height
    observed = sum(one["observed"] * one["impressions"] for one in bins) / rows.height
    assert observed == pytest.approx(rows["reward"].mean())
    assert [one["predicted"] for one in bins] == sorted(one["predicted"] for one in bins)
    assert all(one["lower"] < one["observed"] < one["upper"] for one in bins)
    means = [
        next(a.mean for a in explain(stage.workspace, user, title, 2).artworks if a.artwork_id == artwork)
        for user, title, artwork in rows.select("user_id", "title_id", "artwork_id").head(40).iter_rows()
    ]
    assert min(means) >= bins[0]["predicted"] - 0.5
    assert bins[0]["predicted"] <= max(means)


def test_retired_artwork_is_marked_and_hands_its_default_on(client: Client, stage: NotedStage) -> None:
    [title] = [title for title in told(client, "/api/catalogue")["titles"] if title["title_id"] == "t0001"]
    default = next(artwork["artwork_id"] for artwork in title["artworks"] if artwork["is_default"])
    retire(stage.workspace, "t0001", default)
    catalogue = told(client, "/api/catalogue")
    assert catalogue["revision"] == read_overlay(stage.workspace, 1).revision == 1
    [title] = [title for title in catalogue["titles"] if title["title_id"] == "t0001"]
    assert [artwork["artwork_id"] for artwork in title["artworks"] if artwork["retired"]] == [default]
    [heir] = [artwork["artwork_id"] for artwork in title["artworks"] if artwork["is_default"]]
    assert heir != default


def test_a_title_that_is_a_script_stays_text(client: Client) -> None:
    [title] = [title for title in told(client, "/api/catalogue")["titles"] if title["title_id"] == "t0001"]
    assert title["name"] == SCRIPT
    answer = client.get(title["artworks"][0]["poster"])
    assert answer.headers["Content-Type"] == "image/svg+xml"
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(answer.text).iter()}  # noqa: S314 - our own
    assert "script" not in tags


def test_a_poster_is_kept_by_browsers_at_the_address_that_names_what_it_shows(client: Client) -> None:
    address = told(client, "/api/catalogue")["titles"][0]["artworks"][0]["poster"]
    assert "immutable" in client.get(address).headers["Cache-Control"]
    for other in (address.partition("?")[0], address[:-1], address + "0", address.partition("?")[0] + "?v="):
        assert client.get(other).headers["Cache-Control"] == "no-store"


IMAGES = {
    "https://images.example/a.png": True,
    "https://IMAGES.example/a.png": True,
    "http://images.example/a.png": False,
    "https://images.example.evil.example/a.png": False,
    "https://images.example:444/a.png": False,
    "https://user@images.example/a.png": False,
    "https://images.example@evil.example/a.png": False,
    "//images.example/a.png": False,
    "javascript:alert(1)": False,
    "data:image/png;base64,AAAA": False,
    "https://images.example/a b.png": False,
    "https://images.example/a\n.png": False,
    "https://[::1/a.png": False,
    "": False,
}


def test_images_of_other_hosts_are_drawn_instead(stage: NotedStage) -> None:
    artworks = pl.read_parquet(stage.workspace.artworks)
    urls = [*IMAGES, *[None] * (artworks.height - len(IMAGES))]
    artworks.with_columns(image_url=pl.Series(urls, dtype=pl.String)).write_parquet(stage.workspace.artworks)
    keys = artworks.select("title_id", "artwork_id").rows()[: len(IMAGES)]
    with Client(stage, image_hosts=("https://images.example",)) as client:
        titles = {title["title_id"]: title["artworks"] for title in told(client, "/api/catalogue")["titles"]}
    shown = [next(a["image_url"] for a in titles[title] if a["artwork_id"] == artwork) for title, artwork in keys]
    assert shown == [url if allowed else None for url, allowed in IMAGES.items()]
    with Client(stage) as client:
        titles = told(client, "/api/catalogue")["titles"]
    assert {artwork["image_url"] for title in titles for artwork in title["artworks"]} == {None}


READ = (
    *("/api/catalogue", "/api/users/u0001", "/api/rows/u0001", "/api/explain/u0001/t0001", "/api/title/t0001/history"),
    *("/api/generations", "/api/calibration", "/posters/t0001/a01.svg", "/api/session", "/api/live.json"),
)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _claim(workspace: Workspace) -> None:
    folder_of(workspace, 3).mkdir()


def _begin(workspace: Workspace) -> None:
    shutil.copytree(folder_of(workspace, 2) / "posterior", folder_of(workspace, 3) / "posterior")
    (folder_of(workspace, 3) / "manifest.json").write_text("{")


def _half_an_overlay(workspace: Workspace) -> None:
    workspace.overlays.mkdir()
    (workspace.overlays / "000001.json").write_text("{")


HALF_WAY: dict[str, Callable[[Workspace], object]] = {
    "a generation is claimed": _claim,
    "a manifest is half a file": _begin,
    "the artworks are half a file": lambda workspace: _cut(workspace.artworks),
    "the titles are gone": lambda workspace: workspace.titles.unlink(),
    "the users are half a file": lambda workspace: _cut(workspace.users),
    "a day is half a file": lambda workspace: _cut(day_files(workspace, FIRST_DAY)[0]),
    "the newest day is gone": lambda workspace: shutil.rmtree(workspace.impressions / "day=2026-01-02"),
    "a day is no day": lambda workspace: shutil.copytree(
        workspace.impressions / "day=2026-01-02", workspace.impressions / "day=2026-1-3"
    ),
    "an overlay is half a file": _half_an_overlay,
}


@pytest.mark.parametrize("event", HALF_WAY)
def test_while_files_are_half_way_there_the_last_good_ones_are_shown(
    client: Client, stage: NotedStage, event: str
) -> None:
    before = {path: client.get(path) for path in READ}
    assert {answer.status_code for answer in before.values()} == {200}
    HALF_WAY[event](stage.workspace)
    for path in READ:
        assert client.get(path).status_code == 200, path
    for path in ("/api/catalogue", "/api/users/u0001", "/api/explain/u0001/t0001"):
        assert client.get(path).json() == before[path].json()


@pytest.mark.parametrize("path", READ)
def test_before_there_is_a_workspace_the_page_is_asked_to_wait(tmp_path: Path, path: str) -> None:
    with Client(NotedStage(Workspace(tmp_path / "nothing"))) as client:
        answer = client.get(path)
    assert answer.status_code in {200, 503}
    if answer.status_code == 503:
        assert answer.headers["Retry-After"] == "1"


def test_what_is_made_later_shows(client: Client, stage: NotedStage) -> None:
    assert told(client, "/api/explain/u0001/t0001")["generation"] == 2
    make_generation(stage.workspace, "thompson", seed=3)
    assert told(client, "/api/explain/u0001/t0001")["generation"] == 3
    assert [one["generation"] for one in told(client, "/api/generations")["generations"]] == [1, 2, 3]
