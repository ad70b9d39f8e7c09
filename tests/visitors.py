"""A visitor of a service, who times every answer and checks that it is theirs."""

import http.client
import json
import time
from dataclasses import dataclass
from math import isclose
from typing import Any
from urllib.parse import urlsplit

from artwork.bench.testbed.store_fixture import ARTWORKS, FALLBACK_POLICY, POLICY, StoreFixture
from bandit.snapshot import TOTAL_WEIGHT

HANG_SECONDS = 30.0
UNANSWERED = 0


@dataclass(frozen=True)
class Answer:
    """What came back: ``status`` 0 stands for no answer; ``seconds`` are from the first byte sent to the last one read."""

    sent: float
    seconds: float
    status: int
    sources: frozenset[str] = frozenset()
    generation: int | None = None
    complaint: str | None = None


class Visitor:
    """One keep-alive connection, opened anew where the service closed it."""

    def __init__(self, address: str, ground: StoreFixture) -> None:
        self._ground = ground
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=HANG_SECONDS)

    def ask(self, user: int, titles: list[int]) -> Answer:
        """One look-up, timed and checked: of one title, or of a page of several."""
        names = [self._ground.title_id(title) for title in titles]
        page = len(names) > 1
        path = f"/v1/users/{self._ground.user_id(user)}"
        path += "/artwork?" + "&".join(f"title_id={name}" for name in names) if page else f"/titles/{names[0]}/artwork"
        sent = time.monotonic()
        try:
            self._connection.request("GET", path)
            response = self._connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Answer(sent, time.monotonic() - sent, UNANSWERED, complaint=repr(error))
        seconds = time.monotonic() - sent
        if response.status != 200:
            return Answer(sent, seconds, response.status, complaint=_refusal_complaint(response))
        body = json.loads(raw)
        picks = body["picks"] if page else [body]
        wrong = complaint(self._ground, user, names, body, picks)
        return Answer(sent, seconds, 200, frozenset(pick["source"] for pick in picks), body["generation"], wrong)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def complaint(ground: StoreFixture, user: int, titles: list[str], body: Any, picks: list[Any]) -> str | None:
    """What is wrong with an answer: another user's row, another title, two generations; None if nothing is."""
    wanted = (ground.user_id(user), titles)
    if (body["user_id"], [pick["title_id"] for pick in picks]) != wanted:
        return f"asked for {wanted}, got {body}"
    return next((text for pick in picks if (text := _pick_complaint(ground, user, body["generation"], pick))), None)


def _pick_complaint(ground: StoreFixture, user: int, generation: int, pick: Any) -> str | None:
    if (pick["user_id"], pick["generation"]) != (ground.user_id(user), generation):
        return f"user {user} of generation {generation} got {pick}"
    artwork_ids = ground.artwork_ids(generation, pick["title_id"])
    if pick["source"] == "popularity":
        of_generation = pick["artwork_id"] in artwork_ids
        return None if of_generation and pick["policy"] == FALLBACK_POLICY else f"no popularity pick: {pick}"
    artwork_id, propensity = artwork_ids[user % ARTWORKS], ground.weight(user) / TOTAL_WEIGHT
    is_own = (pick["source"], pick["policy"], pick["artwork_id"]) == ("personalized", POLICY, artwork_id)
    return None if is_own and isclose(pick["propensity"], propensity) else f"not the row of user {user}: {pick}"


def _refusal_complaint(response: http.client.HTTPResponse) -> str | None:
    """A 503 has to say when to come back; any other refusal of a right request is wrong."""
    is_proper = response.status == 503 and response.getheader("Retry-After")
    return None if is_proper else f"status {response.status}, Retry-After {response.getheader('Retry-After')}"
