"""A look-up service as a good engineer would write it in an afternoon: FastAPI, a pydantic model, one GET per request.

Started by uvicorn, which calls ``create_app``. It reads the catalogue once, at its start, and the store with
redis-py, whose hiredis parser is installed.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final, cast

import redis.asyncio
from fastapi import FastAPI, HTTPException, Path
from pydantic import BaseModel

from bandit import snapshot

STORE_VARIABLE: Final = "NAIVE_STORE"
Id = Annotated[str, Path(pattern=f"^{snapshot.ID_PATTERN}$")]


class PickBody(BaseModel):
    """One pick."""

    user_id: str
    title_id: str
    artwork_id: str
    source: str
    policy: str
    propensity: float
    generation: int
    revision: int = 0
    segment: str | None = None


class Rows:
    """The current generation in the store."""

    def __init__(self, url: str) -> None:
        self.client = redis.asyncio.Redis.from_url(url)

    async def load(self) -> None:
        """Read the catalogue."""
        self.generation = snapshot.decode_current(await self._get(snapshot.CURRENT_KEY)).generation
        self.meta = snapshot.decode_meta(await self._get(snapshot.meta_key(self.generation)))
        digest = self.meta.catalogue_digest
        parts = [await self._get(snapshot.part_key(digest, part)) for part in range(self.meta.catalogue_parts)]
        self.catalogue = snapshot.decode_catalogue(parts, digest, self.meta.counts)
        self.places = {title.title_id: place for place, title in enumerate(self.catalogue.titles)}

    async def look_up(self, user_id: str, title_id: str) -> PickBody:
        """The pick of a user for a title, or a popular artwork where there is none."""
        if title_id not in self.places:
            raise HTTPException(404, "unknown title")
        place = self.places[title_id]
        title = self.catalogue.titles[place]
        raw = cast("bytes | None", await self.client.get(snapshot.row_key(self.generation, user_id)))
        row = None if raw is None else snapshot.decode_row(raw, user_id, self.generation, self.meta.identity)
        pick = None if row is None else row.pick(place)
        if row is not None and pick is not None:
            arm, share = pick.arm, pick.weight / row.total
            source, policy = "personalized", self.meta.variants[row.variant]
        else:
            hashed = snapshot.keyed_hash(snapshot.FALLBACK, self.meta.seed, self.generation, user_id, title_id)
            arm = snapshot.draw(title.weights, hashed)
            share = title.weights[arm] / snapshot.TOTAL_WEIGHT
            source, policy = "popularity", self.catalogue.fallback_policy
        return PickBody(
            user_id=user_id,
            title_id=title_id,
            artwork_id=title.artworks[arm],
            source=source,
            policy=policy,
            propensity=share,
            generation=self.generation,
        )

    async def _get(self, key: str) -> bytes:
        return cast("bytes", await self.client.get(key))


def create_app() -> FastAPI:
    """The application."""
    rows = Rows(os.environ[STORE_VARIABLE])

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await rows.load()
        yield
        await rows.client.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/v1/users/{user_id}/titles/{title_id}/artwork")
    async def look_up(user_id: Id, title_id: Id) -> PickBody:
        return await rows.look_up(user_id, title_id)

    return app


def create_storeless_app() -> FastAPI:
    """FastAPI that returns a model and asks no store: what the framework leaves to its users."""
    app = FastAPI()

    @app.get("/v1/users/{user_id}/titles/{title_id}/artwork")
    async def look_up(user_id: Id, title_id: Id) -> PickBody:
        return PickBody(
            user_id=user_id,
            title_id=title_id,
            artwork_id=f"{title_id}-a0",
            source="personalized",
            policy="thompson",
            propensity=0.5,
            generation=1,
        )

    return app
