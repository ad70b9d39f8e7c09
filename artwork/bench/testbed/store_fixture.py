"""Generations as a publisher would leave them in a store: whoever sees an answer can tell whose row it came from."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import redis

from bandit.snapshot import (
    CURRENT_KEY,
    TOTAL_WEIGHT,
    Catalogue,
    CatalogueTitle,
    Current,
    Meta,
    encode_catalogue,
    encode_json,
    encode_row,
    meta_key,
    part_key,
)
from batch.publishing.row_writer import write_rows
from batch.workspace.row_files import listed_rows

POLICY: Final = "thompson"
FALLBACK_POLICY: Final = "popularity"
ARTWORKS: Final = 4


def identity_of(generation: int) -> str:
    """The identity of a generation, which no other one has."""
    return f"{generation:032x}"


@dataclass(frozen=True)
class StoreFixture:
    """Users ``u0`` to ``u<users-1>`` and titles ``t0`` to ``t<titles-1>``, with some artworks per title.

    The row of user i has arm i modulo ``artworks`` and weight 1 + i for every title that it has a pick for, so that the
    propensity of an answer names the user whose row it came from (up to 65,535 users, then weights begin again), and artworks
    carry the number of their generation. ``picks`` of a row are evenly spread over the titles; None is one for every title.
    """

    users: int = 2000
    titles: int = 40
    picks: int | None = None
    artworks: int = ARTWORKS

    @property
    def picks_per_row(self) -> int:
        """How many picks a row has."""
        return self.titles if self.picks is None else self.picks

    def user_id(self, user: int) -> str:
        """The id of a user."""
        return f"u{user}"

    def title_id(self, title: int) -> str:
        """The id of a title."""
        return f"t{title}"

    def artwork_ids(self, generation: int, title_id: str) -> tuple[str, ...]:
        """The ids of a title's artworks."""
        return tuple(f"{title_id}-g{generation}-{arm}" for arm in range(self.artworks))

    def weight(self, user: int) -> int:
        """The weight of every pick of a user, which no other user has."""
        return 1 + user % TOTAL_WEIGHT

    def titles_of(self, user: int) -> range:
        """The titles that a user has picks for, by place in the catalogue."""
        step = self.titles // self.picks_per_row
        return range(user % step, step * self.picks_per_row, step)

    def row(self, generation: int, user: int) -> bytes:
        """The row of a user: dense where every title has a pick, else it names its titles."""
        count = self.picks_per_row
        picks = struct.pack("<BH", user % self.artworks, self.weight(user)) * count
        indices = b"" if count == self.titles else struct.pack(f"<{count}H", *self.titles_of(user))
        return encode_row(self.user_id(user), generation, identity_of(generation), 0, picks, indices)

    def rows(self, generation: int) -> Iterator[tuple[str, bytes]]:
        """Users and their rows of a generation."""
        return ((self.user_id(user), self.row(generation, user)) for user in range(self.users))

    def catalogue(self, generation: int) -> Catalogue:
        """Every title, with weights of the fallback that differ and add up."""
        others = TOTAL_WEIGHT // (self.artworks + 1)
        weights = (TOTAL_WEIGHT - others * (self.artworks - 1), *[others] * (self.artworks - 1))
        names = map(self.title_id, range(self.titles))
        titles = (CatalogueTitle(name, self.artwork_ids(generation, name), 0, weights) for name in names)
        return Catalogue(tuple(titles), FALLBACK_POLICY)

    def described(self, generation: int) -> dict[str, bytes]:
        """What a generation has in the store besides its rows: meta and catalogue."""
        digest, parts = encode_catalogue(self.catalogue(generation))
        meta = Meta(
            generation=generation,
            identity=identity_of(generation),
            seed=7,
            manifest_digest="none",
            catalogue_digest=digest,
            catalogue_parts=len(parts),
            users=self.users,
            titles=self.titles,
            artworks=self.artworks * self.titles,
            variants=(POLICY,),
            created_at="2026-01-01T00:00:00Z",
        )
        keys = {part_key(digest, number): part for number, part in enumerate(parts)}
        return keys | {meta_key(generation): encode_json(meta)}


def write(client: redis.Redis, fixture: StoreFixture, generation: int) -> None:
    """Write a whole generation, which is not served yet."""
    for key, value in fixture.described(generation).items():
        client.set(key, value)
    for _ in write_rows(client, generation, [listed_rows(fixture.rows(generation))], rests=False):
        pass


def publish(client: redis.Redis, fixture: StoreFixture, generation: int, flip: int) -> None:
    """Write a whole generation, then make it current."""
    write(client, fixture, generation)
    make_current(client, generation, flip)


def make_current(client: redis.Redis, generation: int, flip: int) -> None:
    """Name a generation as the one to serve."""
    client.set(CURRENT_KEY, encode_json(Current(generation, identity_of(generation), flip)))
