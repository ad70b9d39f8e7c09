"""Generations of which every answer can be checked: whoever sees an answer can tell whose row it came from."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import redis

from bandit.snapshot import (
    CURRENT_KEY,
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
from batch.publishing.row_writer import Row, write_rows

POLICY: Final = "thompson"
FALLBACK_POLICY: Final = "popularity"
ARTWORKS: Final = 4
_WEIGHTS: Final = (30000, 20000, 10000, 5535)


def identity_of(generation: int) -> str:
    """The identity of a generation, which no other one has."""
    return f"{generation:032x}"


@dataclass(frozen=True)
class Ground:
    """Users ``u0`` to ``u<users-1>`` and titles ``t0`` to ``t<titles-1>``, four artworks a title.

    The row of user i has arm i modulo 4 and weight 1 + i for every title, so that the propensity of an answer names the user
    whose row it came from (hence at most 65,535 users), and artworks carry the number of their generation.
    """

    users: int = 2000
    titles: int = 40

    def user_id(self, user: int) -> str:
        """The id of a user."""
        return f"u{user}"

    def title_id(self, title: int) -> str:
        """The id of a title."""
        return f"t{title}"

    def weight(self, user: int) -> int:
        """The weight of every pick of a user, which no other user has."""
        return 1 + user

    def artwork_id(self, generation: int, arm: int) -> str:
        """The id of an artwork, the same for all titles."""
        return f"g{generation}-{arm}"

    def row(self, generation: int, user: int) -> bytes:
        """The row of a user."""
        picks = struct.pack("<BH", user % ARTWORKS, self.weight(user)) * self.titles
        return encode_row(self.user_id(user), generation, identity_of(generation), 0, picks)

    def described(self, generation: int) -> dict[str, bytes]:
        """What a generation has in the store besides its rows: meta and catalogue."""
        artworks = tuple(self.artwork_id(generation, arm) for arm in range(ARTWORKS))
        titles = tuple(CatalogueTitle(self.title_id(title), artworks, 0, _WEIGHTS) for title in range(self.titles))
        digest, parts = encode_catalogue(Catalogue(titles, FALLBACK_POLICY))
        meta = Meta(
            generation=generation,
            identity=identity_of(generation),
            seed=7,
            manifest_digest="none",
            catalogue_digest=digest,
            catalogue_parts=len(parts),
            users=self.users,
            titles=self.titles,
            artworks=ARTWORKS * self.titles,
            variants=(POLICY,),
            created_at="2026-01-01T00:00:00Z",
        )
        found = {part_key(digest, number): part for number, part in enumerate(parts)}
        return found | {meta_key(generation): encode_json(meta)}


def packed_rows(ground: Ground, generation: int) -> Iterator[Row]:
    """Users and their rows of a generation."""
    for user in range(ground.users):
        yield ground.user_id(user), ground.row(generation, user)


def write(client: redis.Redis, ground: Ground, generation: int) -> None:
    """Write a whole generation, which is not served yet."""
    client.mset(ground.described(generation))
    for _ in write_rows(client, generation, packed_rows(ground, generation), rest=None):
        pass


def publish(client: redis.Redis, ground: Ground, generation: int, flip: int) -> None:
    """Write a whole generation, then make it current."""
    write(client, ground, generation)
    make_current(client, generation, flip)


def make_current(client: redis.Redis, generation: int, flip: int) -> None:
    """Name a generation as the one to serve."""
    client.set(CURRENT_KEY, encode_json(Current(generation, identity_of(generation), flip)))
