"""Users, titles and rows as a publisher would leave them in the store, and requests for them."""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import redis

from bandit import snapshot
from bandit.snapshot import CatalogueTitle, Current, Meta

GENERATION: Final = 1
IDENTITY: Final = f"{GENERATION:032x}"
POLICY: Final = "thompson"
FALLBACK_POLICY: Final = "popularity"
ARTWORKS: Final = 10
_PERIOD: Final = 1009
"""Rows repeat after so many users: enough that neighbours differ, and nothing that a server could use."""
_ROWS_A_WRITE: Final = 1000


@dataclass(frozen=True)
class Ground:
    """Users ``u0``, ``u1``, … with one pick for each of ``picks`` titles, of a catalogue of ``titles`` with 10 artworks each.

    Rows are dense where every title has a pick, else they name the titles of their user, evenly spread.
    """

    users: int
    titles: int
    picks: int

    @property
    def is_dense(self) -> bool:
        """Whether a row covers the catalogue."""
        return self.picks == self.titles

    def titles_of(self, user: int) -> range:
        """The titles that a user has picks for, by place in the catalogue: title 7 is ``t7``."""
        step = self.titles // self.picks
        return range(user % step, step * self.picks, step)

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """(user_id, row) of every user; the weights are drawn once, from the smallest to the largest that there are."""
        drawn = random.Random(1)  # noqa: S311 - the same rows in every run
        pick = struct.Struct("<BH").pack
        picks = b"".join(
            pick(drawn.randrange(ARTWORKS), drawn.randint(1, snapshot.TOTAL_WEIGHT))
            for _ in range(_PERIOD + self.picks)
        )
        for user in range(self.users):
            start = user % _PERIOD * snapshot.PICK_BYTES
            body = picks[start : start + self.picks * snapshot.PICK_BYTES]
            indices = b"" if self.is_dense else struct.pack(f"<{self.picks}H", *self.titles_of(user))
            yield f"u{user}", snapshot.encode_row(f"u{user}", GENERATION, IDENTITY, 0, body, indices)

    def catalogue(self) -> snapshot.Catalogue:
        """Every title, with weights of the fallback that add up."""
        rest = snapshot.TOTAL_WEIGHT - 6000 * (ARTWORKS - 1)
        weights = (rest, *(6000 for _ in range(ARTWORKS - 1)))
        titles = (
            CatalogueTitle(f"t{title}", tuple(f"t{title}-a{arm}" for arm in range(ARTWORKS)), 0, weights)
            for title in range(self.titles)
        )
        return snapshot.Catalogue(tuple(titles), FALLBACK_POLICY)


def publish(client: redis.Redis, ground: Ground) -> None:
    """Empty the store, write the ground, and make it current; through pipelines of MSET, as a publisher writes."""
    client.flushall()
    catalogue = ground.catalogue()
    digest, parts = snapshot.encode_catalogue(catalogue)
    meta = Meta(
        generation=GENERATION,
        identity=IDENTITY,
        seed=7,
        manifest_digest="none",
        catalogue_digest=digest,
        catalogue_parts=len(parts),
        users=ground.users,
        titles=ground.titles,
        artworks=catalogue.counts.artworks,
        variants=(POLICY,),
        created_at="2026-01-01T00:00:00+00:00",
    )
    client.mset({snapshot.part_key(digest, number): part for number, part in enumerate(parts)})
    client.set(snapshot.meta_key(GENERATION), snapshot.encode_json(meta))
    rows = ground.rows()
    while batch := list(islice(rows, _ROWS_A_WRITE)):
        client.mset({snapshot.row_key(GENERATION, user_id): row for user_id, row in batch})
    client.set(snapshot.CURRENT_KEY, snapshot.encode_json(Current(GENERATION, IDENTITY, 1)))
