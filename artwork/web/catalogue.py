"""The workspace's tables as the page shows them: titles with their artworks, and users."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from secrets import choice
from typing import Any, Final
from urllib.parse import urlsplit

from artwork.web.kept import Kept, NotFoundError, stamps
from artwork.web.words import Like, likes
from bandit.snapshot import Overlay
from batch.choosing.explain import feature_names
from batch.workspace.overlays import known_revisions, newest_overlay, remaining_tables
from batch.workspace.tables import Tables, read_tables
from batch.workspace.workspace import Workspace

MOST_USERS: Final = 100
_ROWS_KEPT: Final = 4


@dataclass(frozen=True)
class ShownArtwork:
    """An artwork as the page shows it; ``image_url`` is None where the drawn ``poster`` is shown."""

    artwork_id: str
    theme: str
    look: str
    image_url: str | None
    is_default: bool
    retired: bool
    poster: str
    clickbait: bool | None


@dataclass(frozen=True)
class ShownTitle:
    """A title with its artworks in catalogue order, so that an arm is a place among those that are not retired."""

    title_id: str
    name: str
    year: int | None
    genres: Sequence[str]
    artworks: Sequence[ShownArtwork]


@dataclass(frozen=True)
class ShownUser:
    """A user as the page shows them; ``known`` is False of one whom the workspace has not met."""

    user_id: str
    country: str | None
    device: str | None
    campaign: str | None
    sessions: int
    likes: Sequence[Like]
    known: bool


@dataclass(frozen=True, eq=False)
class Shelf:
    """The tables of a workspace at a moment, under the overlay of that moment; users in their order."""

    tables: Tables
    remaining: Tables
    overlay: Overlay
    features: tuple[str, ...]

    @cached_property
    def user_ids(self) -> list[str]:
        """In the order of the tables."""
        return self.tables.users["user_id"].to_list()

    @cached_property
    def user_rows(self) -> Mapping[str, int]:
        """The row of each user."""
        return {user_id: row for row, user_id in enumerate(self.user_ids)}

    @cached_property
    def title_rows(self) -> Mapping[str, Mapping[str, Any]]:
        """The row of each title, by its id."""
        return {row["title_id"]: row for row in self.tables.titles.iter_rows(named=True)}

    @cached_property
    def artwork_rows(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """The artworks of each title, with those that are retired."""
        rows: dict[str, list[Mapping[str, Any]]] = {title_id: [] for title_id in self.title_rows}
        columns = ["title_id", "artwork_id", "theme", "look", "image_url", "is_default", "added_at"]
        for row in self.tables.artworks.select(columns).iter_rows(named=True):
            rows[row["title_id"]].append(row)
        return rows

    @cached_property
    def defaults(self) -> frozenset[tuple[str, str]]:
        """Title and artwork of each default under the overlay."""
        own = self.remaining.artworks
        shown = own.filter(own["is_default"]).select("title_id", "artwork_id")
        return frozenset(shown.iter_rows())

    def user(self, user_id: str) -> ShownUser:
        """One user.

        Raises:
            NotFoundError: the workspace does not know them.
        """
        row = self.user_rows.get(user_id)
        if row is None:
            raise NotFoundError(f"There is no user {user_id!r} among the {len(self.user_ids):,} of this workspace.")
        return self._shown(row)

    def search(self, words: str, limit: int) -> list[ShownUser]:
        """The users whose id, country, device or campaign holds every word, those whose id begins with it first."""
        wanted = words.lower().split()
        rows = [row for row, text in enumerate(self._searched) if all(word in text for word in wanted)]
        if wanted:
            rows.sort(key=lambda row: not self.user_ids[row].lower().startswith(wanted[0]))
        return [self._shown(row) for row in rows[:limit]]

    def any_user(self) -> ShownUser:
        """One user, by chance."""
        return self._shown(choice(range(len(self.user_ids))))

    @cached_property
    def _searched(self) -> list[str]:
        columns = self.tables.users.select("user_id", "country", "device", "campaign").iter_rows()
        return [" ".join(filter(None, row)).lower() for row in columns]

    def _shown(self, row: int) -> ShownUser:
        [user] = self.tables.users[row].iter_rows(named=True)
        kept = {name: user[name] for name in ("user_id", "country", "device", "campaign", "sessions")}
        return ShownUser(**kept, likes=likes(user["context"], self.features), known=True)

    def title(self, title_id: str) -> Mapping[str, Any]:
        """The row of a title.

        Raises:
            NotFoundError: the workspace does not know it.
        """
        if title_id not in self.title_rows:
            raise NotFoundError(f"There is no title {title_id!r} among the {len(self.title_rows):,} of this workspace.")
        return self.title_rows[title_id]


class Shelves:
    """The newest shelf of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._kept = Kept(self._stamp, self._read)

    def get(self) -> Shelf:
        """The tables as they are, or the last that could be read.

        Raises:
            NotReadyError: there are none yet.
        """
        return self._kept.get()

    def _stamp(self) -> Hashable:
        own = self._workspace
        revision = max(known_revisions(own), default=0)
        paths = (own.users, own.titles, own.artworks, own.candidates, own.overlays / f"{revision:06d}.json")
        return stamps(paths)

    def _read(self) -> Shelf:
        tables, overlay = read_tables(self._workspace), newest_overlay(self._workspace)
        features = feature_names(self._workspace, tables.n_features)
        return Shelf(tables, remaining_tables(tables, overlay), overlay, features)


def shown_titles(
    shelf: Shelf, image_hosts: Sequence[str], clickbait: Mapping[tuple[str, str], bool] | None
) -> list[ShownTitle]:
    """Every title with its artworks; ``clickbait`` is what the truth says of each artwork by title and artwork, if known."""
    titles = []
    for title_id, title in shelf.title_rows.items():
        retired = shelf.overlay.retired.get(title_id, ())
        artworks = [
            ShownArtwork(
                artwork_id=row["artwork_id"],
                theme=row["theme"],
                look=row["look"],
                image_url=allowed_image(row["image_url"], image_hosts),
                is_default=(title_id, row["artwork_id"]) in shelf.defaults,
                retired=row["artwork_id"] in retired,
                poster=poster_path(
                    title, row, bait := bool(clickbait and clickbait.get((title_id, row["artwork_id"])))
                ),
                clickbait=None if clickbait is None else bait,
            )
            for row in shelf.artwork_rows[title_id]
        ]
        titles.append(ShownTitle(title_id, title["name"], title["year"], title["genres"], artworks))
    return titles


def allowed_image(url: str | None, hosts: Sequence[str]) -> str | None:
    """The address of an image that may be shown; None for any other."""
    if not url or not hosts:
        return None
    try:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}".lower()
    except ValueError:
        return None
    return url if origin in hosts and url.isprintable() and " " not in url else None


def poster_path(title: Mapping[str, Any], artwork: Mapping[str, Any], clickbait: bool) -> str:
    """The address of a drawn poster; another one when what it shows changes."""
    shows = [_drawing(), title["name"], artwork["theme"], artwork["look"], clickbait]
    digest = blake2b("\0".join(map(str, shows)).encode(errors="replace"), digest_size=6).hexdigest()
    return f"/posters/{title['title_id']}/{artwork['artwork_id']}.svg?v={digest}"


@lru_cache(maxsize=1)
def _drawing() -> str:
    """What changes with the code that draws: a browser keeps posters over releases."""
    sources = sorted((Path(__file__).parent / "drawing").glob("*.py"))
    return blake2b(b"".join(source.read_bytes() for source in sources), digest_size=6).hexdigest()
