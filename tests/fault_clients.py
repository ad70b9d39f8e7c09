"""Clients that report what they were shown, as badly as clients do, and keep book of what they were told.

Look-ups are real. What becomes of an answer is drawn: events are sent twice, out of order, with clocks a day off, plays before
their impressions or requests later, some malformed, some untrue. A request that was not answered 202 is sent again as it is.
"""

import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

Event = dict[str, Any]

PLACES: Final = 8
"""Titles on a page."""
LATE_REQUESTS: Final = 6
"""So many requests later at most, a play that was held back is sent."""
RETRY_SECONDS: Final = 0.05
NO_ANSWER: Final = 0
RECENT: Final = 200
"""Events that may be sent once more."""
DAY: Final = timedelta(days=1)

LIES: Final[tuple[Event, ...]] = (
    {"generation": 4_000_000},
    {"revision": 4_000_000},
    {"artwork_id": "never-shown"},
    {"user_id": "nobody"},
    {"title_id": "nothing"},
    {"source": "segment", "segment": "nowhere"},
)
"""What no service has answered, each to be set aside."""

MALFORMED: Final[tuple[Event, ...]] = (
    {"event_id": "with space"},
    {"type": "click"},
    {"generation": 0},
    {"generation": "7"},
    {"revision": -1},
    {"occurred_at": "yesterday"},
    {"occurred_at": "2026-13-01T00:00:00Z"},
    {"watch_fraction": 2.0},
    {"propensity": 7},
    {"typo": 1},
    {"source": None},
)


@dataclass
class Book:
    """What clients sent and were told; shared by all of them.

    ``accepted`` has the moment at which each event was first answered 202; ``true`` are impressions as they were answered,
    ``lies`` the ids of events that claim what was never answered. ``shown`` are look-ups: when asked, title and artwork.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    sent: dict[str, Event] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    true: dict[str, Event] = field(default_factory=dict)
    lies: set[str] = field(default_factory=set)
    shown: list[tuple[float, str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    requests: int = 0
    retries: int = 0
    refused: int = 0


class Client:
    """One client, whose every choice follows from its seed.

    Args:
        name: what its event ids begin with.
        address: of the service.
        users, titles: that it asks for.
        book: that it keeps.
        seed: of its choices.
        over: whether to give up, because the round has failed.
    """

    def __init__(
        self,
        name: str,
        address: str,
        users: list[str],
        titles: list[str],
        book: Book,
        seed: int,
        over: Callable[[], bool],
    ) -> None:
        self._name, self._users, self._titles, self._book, self._over = name, users, titles, book, over
        self._chance = random.Random(f"{seed} {name}")
        self._http = httpx.Client(base_url=address, timeout=20.0)
        self._number = 0
        self._later: list[tuple[int, Event]] = []
        self._recent: list[Event] = []

    def work(self, events: int, due: Callable[[float], float]) -> None:
        """Send so many events, each request not before it is due: ``due`` tells for a share of the work how long to wait."""
        done = request = 0
        with self._http:
            while (done < events or self._later) and not self._over():
                time.sleep(max(0.0, due(min(done / events, 1.0))))
                batch = self._due_plays(request, everything=done >= events)
                for _ in range(self._chance.randint(1, 6) if done < events else 0):
                    batch += self._page(request)
                if batch:
                    self._send(*self._spoiled(batch))
                    done += len(batch)
                request += 1

    def _page(self, request: int) -> list[Event]:
        user = self._chance.choice(self._users)
        titles = self._chance.sample(self._titles, PLACES)
        asked = time.monotonic()
        try:
            answer = self._http.get(f"/v1/users/{user}/artwork", params={"title_id": titles})
        except httpx.TransportError:
            time.sleep(RETRY_SECONDS)
            return []
        if answer.status_code != 200:
            self._note(answer.status_code == 503, f"a look-up was answered {answer.status_code}: {answer.text[:200]}")
            time.sleep(RETRY_SECONDS)
            return []
        picks = answer.json()["picks"]
        with self._book.lock:
            self._book.shown += [(asked, pick["title_id"], pick["artwork_id"]) for pick in picks]
        return [event for pick in picks for event in self._events_of(pick, request)]

    def _events_of(self, pick: Event, request: int) -> list[Event]:
        """An impression, and perhaps plays of it, now or later."""
        chance = self._chance
        lied = chance.choice(LIES) if chance.random() < 0.04 else {}
        claimed = {"propensity": chance.choice([1e-9, 0.5, 1.0]), "policy": "greedy"} if chance.random() < 0.05 else {}
        shown = self._event(pick | claimed | lied, "impression")
        if not lied:
            self._book.true[shown["event_id"]] = pick
        events = [shown]
        while chance.random() < 0.3:
            play = self._event(pick | claimed | lied, "play", watch_fraction=round(chance.random(), 3))
            if chance.random() < 0.3:
                self._later.append((request + chance.randint(1, LATE_REQUESTS), play))
            else:
                events.append(play)
        if lied:
            self._book.lies.update(event["event_id"] for event in events)
        return events

    def _event(self, pick: Event, kind: str, **more: float) -> Event:
        self._number += 1
        now, clock = datetime.now(UTC), self._chance.random()
        at = now - DAY if clock < 0.05 else now + DAY if clock < 0.1 else now
        event = pick | {"event_id": f"{self._name}-{self._number}", "type": kind, "occurred_at": at.isoformat()}
        event |= more
        self._book.sent[event["event_id"]] = event
        return event

    def _due_plays(self, request: int, *, everything: bool) -> list[Event]:
        due = [play for when, play in self._later if everything or when <= request]
        self._later = [] if everything else [item for item in self._later if item[0] > request]
        return due

    def _spoiled(self, batch: list[Event]) -> tuple[list[Event], list[Event]]:
        """In any order, some events twice; and one in a hundred once more, malformed."""
        chance = self._chance
        batch = [*batch, *(event for event in batch if chance.random() < 0.03)]
        if self._recent and chance.random() < 0.3:
            batch.append(chance.choice(self._recent))
        chance.shuffle(batch)
        self._recent = [*self._recent, *batch][-RECENT:]
        return batch, [event | chance.choice(MALFORMED) for event in batch if chance.random() < 0.01]

    def _send(self, batch: list[Event], malformed: list[Event]) -> None:
        """Until it is accepted; of what is refused for a malformed event, the rest is sent again."""
        while not self._over():
            status = self._posted([*malformed, *batch])
            if status == 202:
                break
            if status == 422 and malformed:
                malformed = []
                with self._book.lock:
                    self._book.refused += 1
                continue
            self._note(status in {NO_ANSWER, 503}, f"events were answered {status}")
            with self._book.lock:
                self._book.retries += 1
            time.sleep(RETRY_SECONDS)
        else:
            return
        self._note(not malformed, f"one of these was accepted: {malformed}")
        now = time.monotonic()
        with self._book.lock:
            self._book.requests += 1
            for event in batch:
                self._book.accepted.setdefault(event["event_id"], now)
        if self._chance.random() < 0.1:  # as after an answer that was lost
            self._posted(batch)

    def _posted(self, batch: list[Event]) -> int:
        with suppress(httpx.TransportError):
            return self._http.post("/v1/events", content=json.dumps(batch)).status_code
        return NO_ANSWER

    def _note(self, is_right: bool, complaint: str) -> None:
        if not is_right:
            with self._book.lock:
                self._book.wrong.append(complaint)
