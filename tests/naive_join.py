"""The slow twin of the join: dictionaries and loops over everything that is stored, from the files alone.

It shares no code with ``batch``. What a service answers is here too, because it is what an impression is held against.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from math import floor
from pathlib import Path
from typing import Any

import naive
import polars as pl

Event = dict[str, Any]
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Generation:
    """What the files of a generation say."""

    folder: Path
    number: int
    seed: int
    total: int
    artworks: dict[str, list[str]]
    weights: dict[str, list[int]]
    defaults: dict[str, int]
    users: list[str]
    contexts: dict[str, list[float]]
    picks: dict[tuple[str, str], tuple[int, int, str]]
    segments: dict[str, list[int]]
    segment_contexts: dict[str, list[float]]
    policy: str


@lru_cache(maxsize=8)
def generation_of(root: Path, number: int) -> Generation:
    """Read a generation."""
    folder = root / "generations" / f"{number:06d}"
    artworks: dict[str, list[str]] = defaultdict(list)
    weights: dict[str, list[int]] = defaultdict(list)
    defaults: dict[str, int] = {}
    for row in pl.read_parquet(folder / "catalogue.parquet").iter_rows(named=True):
        if row["is_default"]:
            defaults.setdefault(row["title_id"], len(artworks[row["title_id"]]))
        artworks[row["title_id"]].append(row["artwork_id"])
        weights[row["title_id"]].append(row["popularity_weight"])
    contexts = dict(pl.read_parquet(folder / "contexts").select("user_id", "context").rows())
    config = json.loads((folder / "manifest.json").read_text())["config"]
    names = list(dict.fromkeys(variant["name"] for variant in config["variants"]))
    names += ["uniform"] * (config["explore_share"] > 0 and "uniform" not in names)
    titles, picks = list(artworks), {}
    for path in sorted((folder / "picks").glob("*.rows")):
        for user, raw in naive.rows_of_file(path):
            for title, arm, weight in naive.picks_of_row(raw):
                picks[user, titles[title]] = (arm, weight, names[raw[3]])
    seed, total = config["seed"], config.get("total", 65535)
    segments, of_segments = {}, {}
    if (folder / "segment-weights.parquet").exists():
        segments = dict(pl.read_parquet(folder / "segment-weights.parquet").select("name", "weights").rows())
        of_segments = dict(pl.read_parquet(folder / "segments.parquet").select("name", "context").rows())
    of_users = (list(contexts), contexts)
    return Generation(
        *(folder, number, seed, total, artworks, weights, defaults, *of_users, picks, segments, of_segments, names[0])
    )


def previous_of(root: Path, made: Generation, user: str, title: str) -> int | None:
    """The arm that a user was shown before, by the generation before; None where they were shown none that is still there."""
    before = json.loads((made.folder / "manifest.json").read_text()).get("previous")
    if before is None:
        return None
    then = generation_of(root, before["generation"])
    if (user, title) not in then.picks:
        return None
    artwork = then.artworks[title][then.picks[user, title][0]]
    return made.artworks[title].index(artwork) if artwork in made.artworks[title] else None


def overlays_of(root: Path) -> dict[int, Event]:
    """Every revision on disk, and 0, which changes nothing."""
    read = [json.loads(path.read_text()) for path in (root / "overlays").glob("*.json")]
    return {0: {"retired": {}, "added": {}}} | {overlay["revision"]: overlay for overlay in read}


@dataclass
class Fallback:
    """What remains of a title under a revision: its arms, their fallback weights, and what is drawn where those are 0."""

    remaining: list[int]
    weights: list[int]
    default: int | None

    @property
    def source(self) -> str:
        """What an answer calls itself."""
        return "popularity" if sum(self.weights) else "default"

    def chance(self, arm: int) -> Fraction:
        """q of an arm."""
        total = sum(self.weights)
        return Fraction(self.weights[arm], total) if total else Fraction(int(arm == self.default))

    def draw(self, hashed: int) -> int | None:
        """The arm of a hash; None where no artwork remains."""
        total = sum(self.weights)
        if not total:
            return self.default
        point = floor(Fraction(hashed * total, 2**64))
        return next(arm for arm in range(len(self.weights)) if sum(self.weights[: arm + 1]) > point)


def of_segment(made: Generation, overlay: Event, title: str, segment: str) -> Fallback:
    """What a segment draws from."""
    start = 0
    for other, artworks in made.artworks.items():
        if other == title:
            break
        start += len(artworks)
    remaining = fallback_of(made, overlay, title).remaining
    weights = made.segments[segment][start : start + len(made.artworks[title])]
    return Fallback(remaining, [weight if arm in remaining else 0 for arm, weight in enumerate(weights)], None)


def fallback_of(made: Generation, overlay: Event, title: str) -> Fallback:
    """The fallback of a title of a generation."""
    artworks, retired = made.artworks[title], set(overlay["retired"].get(title, ()))
    remaining = [arm for arm, artwork in enumerate(artworks) if artwork not in retired]
    weights = [weight if arm in remaining else 0 for arm, weight in enumerate(made.weights[title])]
    default = made.defaults[title]
    return Fallback(remaining, weights, default if default in remaining else next(iter(remaining), None))


def answer(
    root: Path, number: int, revision: int, user: str, title: str, *, failed: bool = False, segment: str | None = None
) -> Event | None:
    """What a service answers from a generation under a revision; ``failed``: the store did not give the row.

    ``segment`` is the one that the look-up has the signals of.
    """
    made, overlay = generation_of(root, number), overlays_of(root)[revision]
    plain = {"user_id": user, "title_id": title, "generation": number, "revision": revision}
    if title not in made.artworks:
        added = overlay["added"].get(title)
        return None if added is None else plain | {"artwork_id": added, "source": "default"}
    fallback = fallback_of(made, overlay, title)
    pick = None if failed else made.picks.get((user, title))
    if pick is not None and pick[0] in fallback.remaining:
        return plain | {"artwork_id": made.artworks[title][pick[0]], "source": "personalized"}
    if segment is not None and (failed or user not in made.contexts):
        own = of_segment(made, overlay, title, segment)
        drawn = own.draw(naive.keyed_hash("segment", made.seed, number, user, title))
        if drawn is not None:
            return plain | {"artwork_id": made.artworks[title][drawn], "source": "segment", "segment": segment}
    drawn = fallback.draw(naive.keyed_hash("fallback", made.seed, number, user, title))
    if drawn is None:
        added = overlay["added"].get(title)
        return None if added is None else plain | {"artwork_id": added, "source": "default"}
    return plain | {"artwork_id": made.artworks[title][drawn], "source": fallback.source}


@dataclass
class NaiveJoin:
    """Rows by event, and counts by (day, outcome)."""

    rows: dict[tuple[str, datetime], Event] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)


def join(  # noqa: C901, PLR0912 - one loop a rule
    root: Path, events: list[Event], *, window: timedelta, grace: timedelta, horizon: int, wait: bool = False
) -> NaiveJoin:
    """Join events as rows of segments have them."""
    made = NaiveJoin()
    overlays = overlays_of(root)
    by_arrival = sorted(events, key=_log_order)
    watermark = max(event["at"] for event in events)
    newest, newest_by = by_arrival[0]["at"], {}
    for event in by_arrival:
        newest = max(newest, event["at"])
        newest_by[_stored(event)] = newest  # the last of those stored together has seen them all
    for event in events:
        event["arrived"] = newest_by[_stored(event)].date()
    once = []
    last: dict[str, Event] = {}
    for event in by_arrival:
        before = last.get(event["event_id"])
        last[event["event_id"]] = event
        if before is not None and event["arrived"] - before["arrived"] <= horizon * DAY:
            made.counts[event["arrived"].isoformat(), "duplicates"] += 1
        elif event["arrived"] - event["at"].date() > horizon * DAY:
            made.counts[event["arrived"].isoformat(), f"late {event['type']}s"] += 1
        else:
            once.append(event)
    shown: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    for event in once:
        if event["type"] != "impression":
            continue
        day = event["at"].date().isoformat()
        judged = judge(root, overlays, event)
        if isinstance(judged, str):
            made.counts[day, f"set aside: {judged}"] += 1
        else:
            shown[_key(event)].append(event | judged | {"watched": None})
    for event in once:
        if event["type"] != "play":
            continue
        day = event["at"].date().isoformat()
        earlier = [row for row in shown[_key(event)] if row["at"] <= event["at"]]
        row: Event = max(earlier, key=lambda item: (item["at"], _log_order(item)), default={})
        if not row or event["at"] - row["at"] > window:
            made.counts[day, "orphan plays"] += 1
        elif event["arrived"] - row["at"].date() > horizon * DAY:
            made.counts[day, "late plays"] += 1
        else:
            made.counts[day, "joined plays"] += 1
            row["watched"] = max(row["watched"] or 0.0, event["watch_fraction"])
    for row in (item for items in shown.values() for item in items):
        day, is_open = row["at"].date().isoformat(), row["at"] + window + grace > watermark
        made.counts[day, "open rows"] += is_open
        if is_open and wait:
            continue
        made.counts[day, "rows"] += 1
        made.counts[day, "fallback although the pick stands"] += row["stands"]
        made.rows[row["event_id"], row["at"]] = _row(row)
    made.counts = Counter({key: count for key, count in made.counts.items() if count})
    return made


def judge(root: Path, overlays: dict[int, Event], event: Event) -> Event | str:  # noqa: C901, PLR0911, PLR0912 - rule after rule
    """Why an impression is set aside, or what is known of it."""
    number, title, user, source = event["generation"], event["title_id"], event["user_id"], event["source"]
    folder = root / "generations" / f"{number:06d}"
    manifest = folder / "manifest.json"
    if not manifest.exists() or json.loads(manifest.read_text())["stage"] != "precomputed":
        return "unknown generation"
    made = generation_of(root, number)
    if event["revision"] not in overlays:
        return "unknown revision"
    overlay = overlays[event["revision"]]
    if source == "segment" and event["segment"] not in made.segments:
        return "unknown segment"
    if source not in {"personalized", "segment", "popularity", "default"}:
        return "unknown source"
    is_gone = title not in made.artworks or not fallback_of(made, overlay, title).remaining
    if source == "default" and is_gone and overlay["added"].get(title) == event["artwork_id"]:
        return "added title"
    if title not in made.artworks:
        return "unknown title"
    if event["artwork_id"] not in made.artworks[title]:
        return "unknown artwork"
    if user not in made.contexts and source != "segment":
        return "unknown user"
    fallback, arm = fallback_of(made, overlay, title), made.artworks[title].index(event["artwork_id"])
    if arm not in fallback.remaining:
        return "retired artwork"
    pick = made.picks.get((user, title))
    if source == "personalized":
        if pick is None or pick[0] != arm:
            return "not the pick"
        policy, known = pick[2], pick[1]
    elif source == "segment":
        own = of_segment(made, overlay, title, event["segment"])
        if own.draw(naive.keyed_hash("segment", made.seed, number, user, title)) != arm:
            return "not the draw"
        return {
            "arm": arm,
            "eligible": own.remaining,
            "policy": made.policy,
            "propensity": float(own.chance(arm)),
            "context": made.contexts.get(user, made.segment_contexts[event["segment"]]),
            "previous": None if pick is None else previous_of(root, made, user, title),
            "stands": pick is not None and pick[0] in own.remaining,
        }
    else:
        drawn = fallback.draw(naive.keyed_hash("fallback", made.seed, number, user, title))
        if drawn != arm or source != fallback.source:
            return "not the draw"
        policy, known = source, None
    stands = known is None and pick is not None and pick[0] in fallback.remaining
    if len(fallback.remaining) == len(made.artworks[title]) or (known is None and (pick is None or stands)):
        propensity = Fraction(known, made.total) if known is not None else fallback.chance(arm)
    else:
        place = made.users.index(user), list(made.artworks).index(title)
        weights = naive.weights_from_files(made.folder, *place, previous_of(root, made, user, title))
        gone = sum(weight for other, weight in enumerate(weights) if other not in fallback.remaining)
        propensity = (weights[arm] + gone * fallback.chance(arm)) / Fraction(made.total)
    return {
        "arm": arm,
        "eligible": fallback.remaining,
        "policy": policy,
        "propensity": float(propensity),
        "context": made.contexts[user],
        "previous": None if pick is None else previous_of(root, made, user, title),
        "stands": stands,
    }


def _row(row: Event) -> Event:
    watched = row["watched"] or 0.0
    kept = (
        "event_id",
        "user_id",
        "title_id",
        "artwork_id",
        "arm",
        "eligible",
        "generation",
        "revision",
        "policy",
        "source",
    )
    return {name: row[name] for name in kept} | {
        "shown_at": row["at"],
        "segment": row["segment"] if row["source"] == "segment" else None,
        "propensity": row["propensity"],
        "context": row["context"],
        "previous": row["previous"],
        "clicked": row["watched"] is not None,
        "watch_fraction": watched,
        "reward": float(row["watched"] is not None and watched >= 0.7),
    }


def _key(event: Event) -> tuple[Any, ...]:
    return event["user_id"], event["title_id"], event["artwork_id"], event["generation"]


def _stored(event: Event) -> int:
    return int(event["stream_id"].partition("-")[0])


def _log_order(event: Event) -> tuple[Any, ...]:
    number = int(event["stream_id"].partition("-")[2])
    return _stored(event), number, event["place"], event["received_at"], event["event_id"]


def at(microseconds: int) -> datetime:
    """A time from microseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
