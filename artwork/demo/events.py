"""What the visitors of a simulated day report to the service: what was shown to them, and what they played."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from artwork.demo.answers import Answers, Event
from artwork.demo.visits import Visits
from bandit.simulation.world import Responses
from batch.workspace.catalogue import Catalogue
from batch.workspace.tables import Tables

EVENTS_PER_REQUEST = 500


@dataclass(frozen=True)
class Span:
    """When a day's visits happen: one place of a page after the other, evenly from ``start`` on over ``seconds``."""

    start: datetime
    seconds: float = 86_400.0

    @classmethod
    def of(cls, day: date) -> "Span":
        """A whole day."""
        return cls(datetime.combine(day, time(), UTC))

    def parts(self, count: int) -> list["Span"]:
        """The same in ``count`` parts, one after the other."""
        seconds = self.seconds / count
        return [Span(self.start + timedelta(seconds=number * seconds), seconds) for number in range(count)]


def events_of(
    prefix: str,
    span: Span,
    tables: Tables,
    catalogue: Catalogue,
    visits: Visits,
    answers: Answers,
    responses: Responses,
) -> Iterator[list[Event]]:
    """What a day's visitors report, in batches: an impression per place of a page, and a play right after it if they clicked.

    Args:
        prefix: what event ids begin with; a play's id is that of its impression with a ``p`` behind.
        span: when it happens.
        tables: whose users and titles the visits name by their rows.
        catalogue: whose arms the answers name.
        visits: who came to which page.
        answers: what was shown on m places.
        responses: what they did.
    """
    titles = visits.flat_titles
    columns = (
        tables.users["user_id"].gather(visits.flat_users),
        tables.titles["title_id"].gather(titles),
        catalogue.frame["artwork_id"].gather(catalogue.starts[titles] + answers.arms),
        answers.generations.tolist(),
        answers.revisions.tolist(),
        answers.sources,
        answers.segments,
        responses.clicked.tolist(),
        responses.watch_fraction.tolist(),
    )
    step = timedelta(seconds=span.seconds / max(len(titles), 1))
    batch: list[Event] = []
    for place, (user, title, artwork, generation, revision, source, segment, clicked, watched) in enumerate(
        zip(*columns, strict=True)
    ):
        shown = {
            "user_id": user,
            "title_id": title,
            "artwork_id": artwork,
            "generation": generation,
            "revision": revision,
            "source": source,
            "segment": segment,
        }
        event_id, at = f"{prefix}-{place:09d}", span.start + place * step
        batch.append({"event_id": event_id, "type": "impression", "occurred_at": at.isoformat(), **shown})
        if clicked:
            played = {"event_id": event_id + "p", "type": "play", "occurred_at": (at + step / 2).isoformat()}
            batch.append({**played, **shown, "watch_fraction": watched})
        if len(batch) >= EVENTS_PER_REQUEST - 1:
            yield batch
            batch = []
    if batch:
        yield batch
