"""The look-up with its fallback chain: personalized, segment, popularity, default. Knows nothing of HTTP.

A look-up needs at most one row, however many titles it asks for. Whoever answers has it read first, in the way that suits him,
and hands it on as it came. A look-up never fails: if the row or the store cannot be used, the answer comes from the next step
of the chain, and a counter rises.

A segment answers for users without a row that could be used: who is new, and whose row the store did not give. Where there
is a row, popularity answers for what it lacks, whatever signals are sent: so the propensity of a pick, of which artworks may be
retired, does not depend on them.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence

import orjson

from bandit.errors import RowError
from bandit.snapshot import (
    NO_SIGNALS,
    ROW_END,
    ROW_FORMATS,
    TOTAL_WEIGHT,
    Row,
    Signals,
    absorb64,
    decode_row,
    draw,
    id64,
    remaining_weights,
    segment_weights,
)
from service.lookup.answers import (
    DEFAULT,
    PERSONALIZED,
    POPULARITY,
    SEGMENT,
    PropensityTexts,
    page_body,
    single_body,
    unknown,
)
from service.lookup.row_reads import Rows, Take, Unread, read_row
from service.lookup.served_generation import Remaining, ServedGeneration, ServedTitle
from service.metrics.metrics import Metrics

_ROW_END = ROW_END.encode()

SignalsOf = Callable[[], Signals]
"""What a look-up says of its user; asked where it may matter only, because reading a query takes time."""


def no_signals() -> Signals:
    """A look-up says nothing of its user."""
    return NO_SIGNALS


class LookUp:
    """Answers look-ups from rows and a generation. Ids are passed as they stand in a URL, and have been checked."""

    def __init__(self, rows: Rows, metrics: Metrics) -> None:
        self._rows = rows
        self._metrics = metrics
        self._texts_by_total = {known.total: PropensityTexts(known.total) for known in ROW_FORMATS}
        self._texts = self._texts_by_total[TOTAL_WEIGHT]

    def read_into(self, serving: ServedGeneration, user_id: bytes, take: Take) -> None:
        """Have the user's row of the generation taken; see ``Rows``."""
        self._rows.read_into(serving.row_prefix + user_id + _ROW_END, take)

    async def read(self, serving: ServedGeneration, user_id: bytes) -> bytes | Unread | None:
        """The user's row of the generation, None if there is none, ``UNREAD`` if the store did not answer in time."""
        return await read_row(self._rows, serving.row_prefix + user_id + _ROW_END)

    def single(
        self,
        serving: ServedGeneration,
        user_id: bytes,
        title: ServedTitle,
        raw: bytes | Unread | None,
        signals: SignalsOf = no_signals,
    ) -> bytes:
        """The body of one pick, by the user's row as it was read."""
        row = self._decoded(serving, user_id, raw)
        if row is not None:
            # What nearly every look-up is answered with, without the lists that a page needs.
            arm, weight = row.arm_and_weight(title.place)
            if weight and arm < len(title.pieces):
                phrases, variant = serving.phrases, row.variant
                if row.by_title:
                    [variant] = _variants_by_title(serving, user_id, row, [title])
                self._metrics.picked(PERSONALIZED, serving.meta.variants[variant])
                middle = (
                    title.pieces[arm]
                    + phrases.personalized[variant]
                    + self._texts_by_total[row.row_format.total][weight]
                )
                return single_body(user_id, middle, phrases.tail)
        [middle], tail = self._every_middle(serving, user_id, [title], row, signals)
        return single_body(user_id, middle, tail)

    def page(
        self,
        serving: ServedGeneration,
        user_id: bytes,
        titles: Sequence[ServedTitle | bytes],
        raw: bytes | Unread | None,
        signals: SignalsOf = no_signals,
    ) -> bytes:
        """The body of one pick per title, in the order asked; of nulls for an id, which stands for a title that is not known."""
        row = self._decoded(serving, user_id, raw)
        middles, tail = self._every_middle(serving, user_id, titles, row, signals)
        return page_body(user_id, middles, serving.phrases, tail)

    def _every_middle(
        self,
        serving: ServedGeneration,
        user_id: bytes,
        titles: Sequence[ServedTitle | bytes],
        row: Row | None,
        signals: SignalsOf,
    ) -> tuple[list[bytes], bytes]:
        """A pick's bytes after the user for each title, and the tail that all lack; it is empty where they have theirs."""
        known = [title for title in titles if not isinstance(title, bytes)]
        tail = serving.phrases.tail
        segment = None if row is not None or not serving.segments.segments else serving.segments.find(signals())
        if segment is None:
            middles = self._middles(serving, user_id, row, known)
            missing = b""
        else:
            middles = self._of_segment(serving, user_id, segment, known)
            missing, tail = tail, b""
        if len(known) == len(titles):
            return middles, tail
        answered = iter(middles)
        return [unknown(title) + missing if isinstance(title, bytes) else next(answered) for title in titles], tail

    def _decoded(self, serving: ServedGeneration, user_id: bytes, raw: bytes | Unread | None) -> Row | None:
        if not isinstance(raw, bytes):  # there is none, or the store did not answer in time
            return None
        try:
            meta = serving.meta
            row = decode_row(raw, user_id, meta.generation, meta.identity)
            if row.variant >= len(meta.splits if row.by_title else meta.variants):
                what, there = ("split", meta.splits) if row.by_title else ("variant", meta.variants)
                raise RowError("variant", f"the row names {what} {row.variant}, meta has {len(there)}")
        except RowError as error:
            self._metrics.row_refused(error.reason)
            if error.reason == "checksum":
                self._rows.doubt()
            return None
        return row

    def _middles(
        self, serving: ServedGeneration, user_id: bytes, row: Row | None, titles: Sequence[ServedTitle]
    ) -> list[bytes]:
        """A pick's bytes between user and tail for each title: personalized where the row has a usable pick."""
        if row is None:
            return self._fallbacks(serving, user_id, titles)
        if not row.by_title:
            return self._of_variant(serving, user_id, row, row.variant, titles)
        variants = _variants_by_title(serving, user_id, row, titles)
        parts = {}
        for variant in set(variants):
            own = [title for title, chosen_by in zip(titles, variants, strict=True) if chosen_by == variant]
            parts[variant] = iter(self._of_variant(serving, user_id, row, variant, own))
        return [next(parts[variant]) for variant in variants]

    def _of_variant(
        self, serving: ServedGeneration, user_id: bytes, row: Row, variant: int, titles: Sequence[ServedTitle]
    ) -> list[bytes]:
        """The same of titles whose picks are one variant's."""
        phrase, texts = serving.phrases.personalized[variant], self._texts_by_total[row.row_format.total]
        picks = row.arms_and_weights([title.place for title in titles])
        drawn = [
            title.pieces[arm] + phrase + texts[weight] if weight and arm < len(title.pieces) else b""
            for title, (arm, weight) in zip(titles, picks, strict=True)
        ]
        lacking = [title for title, middle in zip(titles, drawn, strict=True) if not middle]
        if lacking and any(title.remaining for title in lacking):
            self._take_remaining(row, phrase, texts, titles, picks, drawn)
            lacking = [title for title, middle in zip(titles, drawn, strict=True) if not middle]
        self._metrics.picked(PERSONALIZED, serving.meta.variants[variant], len(drawn) - len(lacking))
        if not lacking:
            return drawn
        if any(weight for (_, weight), middle in zip(picks, drawn, strict=True) if not middle):
            self._metrics.row_refused("arm")
        rest = iter(self._fallbacks(serving, user_id, lacking))
        return [middle or next(rest) for middle in drawn]

    def _take_remaining(
        self,
        row: Row,
        phrase: bytes,
        texts: PropensityTexts,
        titles: Sequence[ServedTitle],
        picks: list[tuple[int, int]],
        drawn: list[bytes],
    ) -> None:
        """Fill in the picks of titles with retired artworks; a pick that is retired is as if the row had none."""
        for number, title in enumerate(titles):
            pick = row.pick(title.remaining.place) if title.remaining else None
            if title.remaining and pick and pick.arm not in title.remaining.retired:
                picks[number] = pick
                if pick.arm < len(title.pieces):
                    drawn[number] = title.pieces[pick.arm] + phrase + texts[pick.weight]

    def _of_segment(
        self, serving: ServedGeneration, user_id: bytes, segment: int, titles: Sequence[ServedTitle]
    ) -> list[bytes]:
        """A draw from the segment's weights of each title, tail and all; from popularity where a title has none of it."""
        state = absorb64(serving.segment_base, id64(user_id.decode()))
        drawn = [self._drawn(serving, segment, title, absorb64(state, title.hashed)) for title in titles]
        lacking = [title for title, middle in zip(titles, drawn, strict=True) if not middle]
        if len(lacking) < len(titles):
            self._metrics.picked(SEGMENT, serving.meta.variants[0], len(titles) - len(lacking))
        if not lacking:
            return drawn
        rest = iter(self._fallbacks(serving, user_id, lacking))
        return [middle or next(rest) + serving.phrases.tail for middle in drawn]

    def _drawn(self, serving: ServedGeneration, segment: int, title: ServedTitle, hashed: int) -> bytes:
        """A draw from the weights of a segment that remain; empty where there are none."""
        if not title.segments:
            return b""
        weights, total = segment_weights(title.segments, segment, len(title.pieces)), TOTAL_WEIGHT
        if title.remaining:
            weights, total = remaining_weights(weights, title.remaining.retired)
            if not total:
                return b""
        arm = draw(weights, hashed, total)
        phrases = serving.phrases
        return b"".join(
            (title.pieces[arm], phrases.segment, orjson.dumps(weights[arm] / total), phrases.segment_tails[segment])
        )

    def _fallbacks(self, serving: ServedGeneration, user_id: bytes, titles: Sequence[ServedTitle]) -> list[bytes]:
        """A draw from each title's popularity weights that remain; the title's default artwork only where there are none.

        For the same user, title and generation the draw is always the same.
        """
        state = absorb64(serving.fallback_base, id64(user_id.decode()))
        weighted = sum(1 for title in titles if title.cumulated)
        if weighted < len(titles):
            weighted += sum(1 for title in titles if title.remaining and title.remaining.cumulated)
        if weighted:
            self._metrics.picked(POPULARITY, serving.fallback_policy, weighted)
        if weighted < len(titles):
            self._metrics.picked(DEFAULT, DEFAULT, len(titles) - weighted)
        return [self._popular(serving, title, absorb64(state, title.hashed)) for title in titles]

    def _popular(self, serving: ServedGeneration, title: ServedTitle, hashed: int) -> bytes:
        cumulated = title.cumulated
        if not cumulated:
            if title.remaining:
                return _remaining_answer(title.remaining, hashed)
            return title.pieces[title.default] + serving.phrases.default + self._texts[TOTAL_WEIGHT]
        # The smallest arm whose cumulated weight exceeds the drawn point, as bandit.snapshot.draw defines it.
        arm = bisect_right(cumulated, (hashed * TOTAL_WEIGHT) >> 64)
        weight = cumulated[arm] - (cumulated[arm - 1] if arm else 0)
        return title.pieces[arm] + serving.phrases.popularity + self._texts[weight]


def _variants_by_title(serving: ServedGeneration, user_id: bytes, row: Row, titles: Sequence[ServedTitle]) -> list[int]:
    """The places of the variants that chose some titles of a row that has picks of two."""
    splits = serving.splits
    state = splits.user_state(user_id.decode())
    return [splits.variant(row.variant, state, title.hashed) for title in titles]


def _remaining_answer(remaining: Remaining, hashed: int) -> bytes:
    """The same draw among the arms that remain; a retired one has no weight, so no point falls on it."""
    cumulated = remaining.cumulated
    arm = bisect_right(cumulated, (hashed * cumulated[-1]) >> 64) if cumulated else 0
    return remaining.answers[arm]
