"""The fallback chain: personalized, popularity, default. Knows nothing of HTTP.

A look-up reads one row at most, whatever number of titles it asks for, and never fails: whatever is wrong with the row
or the store moves the answer one rung down and a counter up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.errors import RowError
from bandit.snapshot import FALLBACK, TOTAL_WEIGHT, Row, decode_row, draw, keyed_hash, row_key
from service.catalogue import PlacedTitle, Serving
from service.health import Health
from service.metrics import Metrics
from service.store import Store, StoreUnavailableError

PERSONALIZED = "personalized"
POPULARITY = "popularity"
DEFAULT = "default"
NO_REVISION = 0


@dataclass(frozen=True, slots=True)
class ServedPick:
    """One pick as it is answered, its fields in the order of the JSON; an unknown title has ``artwork_id`` None."""

    user_id: str
    title_id: str
    artwork_id: str | None
    source: str | None
    policy: str | None
    propensity: float | None
    generation: int
    revision: int = NO_REVISION
    segment: str | None = None


@dataclass(frozen=True)
class Lookup:
    """The chain with what it reads from and reports to."""

    store: Store
    metrics: Metrics
    health: Health

    async def picks(self, serving: Serving, user_id: str, title_ids: Sequence[str]) -> list[ServedPick]:
        """One pick a title, in the order asked."""
        known = any(title_id in serving.titles for title_id in title_ids)
        row = await self._row(serving, user_id) if known else None
        return [self._pick(serving, user_id, title_id, row) for title_id in title_ids]

    async def _row(self, serving: Serving, user_id: str) -> Row | None:
        try:
            raw = await self.store.get(row_key(serving.generation, user_id))
        except StoreUnavailableError as error:
            self.health.rows_failed()
            self.metrics.store_errors.labels(error.reason).inc()
            return None
        self.health.rows_answered()
        return None if raw is None else self._decoded(raw, serving, user_id)

    def _decoded(self, raw: bytes, serving: Serving, user_id: str) -> Row | None:
        try:
            row = decode_row(raw, user_id, serving.generation)
            if row.policy >= len(serving.meta.policies):
                raise RowError("policy", f"the row names policy {row.policy}, meta has {len(serving.meta.policies)}")
        except RowError as error:
            self.metrics.row_errors.labels(error.reason).inc()
            return None
        return row

    def _pick(self, serving: Serving, user_id: str, title_id: str, row: Row | None) -> ServedPick:
        placed = serving.titles.get(title_id)
        if placed is None:
            return ServedPick(user_id, title_id, None, None, None, None, serving.generation)
        pick = self._personalized(serving, user_id, placed, row) or fallback(serving, user_id, placed)
        self.metrics.picks.labels(pick.source, pick.policy).inc()
        return pick

    def _personalized(self, serving: Serving, user_id: str, placed: PlacedTitle, row: Row | None) -> ServedPick | None:
        pick = None if row is None else row.pick(placed.place)
        if row is None or pick is None:
            return None
        title = placed.title
        if pick.arm >= len(title.artworks):
            self.metrics.row_errors.labels("arm").inc()
            return None
        policy, propensity = serving.meta.policies[row.policy], pick.weight / TOTAL_WEIGHT
        artwork_id = title.artworks[pick.arm]
        return ServedPick(user_id, title.title_id, artwork_id, PERSONALIZED, policy, propensity, serving.generation)


def fallback(serving: Serving, user_id: str, placed: PlacedTitle) -> ServedPick:
    """A draw from the title's popularity weights; the title's default artwork only where it has none.

    Drawn again for the same user, title and generation, it is the same artwork.
    """
    title, generation = placed.title, serving.generation
    if not title.weights:
        return ServedPick(user_id, title.title_id, title.artworks[title.default], DEFAULT, DEFAULT, 1.0, generation)
    arm = draw(title.weights, keyed_hash(FALLBACK, serving.meta.seed, generation, user_id, title.title_id))
    policy, propensity = serving.fallback_policy, title.weights[arm] / TOTAL_WEIGHT
    return ServedPick(user_id, title.title_id, title.artworks[arm], POPULARITY, policy, propensity, generation)
