"""The look-up with its fallback chain: personalized, popularity, default. Knows nothing of HTTP.

A look-up needs at most one row, however many titles it asks for. Whoever answers has it read first, in the way that suits him,
and hands it on as it came. A look-up never fails: if the row or the store cannot be used, the answer comes from the next step
of the chain, and a counter rises.
"""

from bisect import bisect_right
from collections.abc import Sequence

from bandit.errors import RowError
from bandit.snapshot import ROW_END, ROW_FORMATS, TOTAL_WEIGHT, Row, absorb64, decode_row, id64
from service.lookup.answers import DEFAULT, PERSONALIZED, POPULARITY, PropensityTexts, page_body, single_body, unknown
from service.lookup.row_reads import Rows, Take, Unread, read_row
from service.lookup.served_generation import Remaining, ServedGeneration, ServedTitle
from service.metrics.metrics import Metrics

_ROW_END = ROW_END.encode()


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
        titles: Sequence[ServedTitle | bytes],
        raw: bytes | Unread | None,
    ) -> bytes:
        """The body of one pick, by the user's row as it was read; ``titles`` has one title."""
        row, [title] = self._decoded(serving, user_id, raw), titles
        if row is not None and not isinstance(title, bytes):
            # What nearly every look-up is answered with, without the lists that a page needs.
            arm, weight = row.arm_and_weight(title.place)
            if weight and arm < len(title.pieces):
                phrases, variant = serving.phrases, row.variant
                self._metrics.picked(PERSONALIZED, serving.meta.variants[variant])
                middle = title.pieces[arm] + phrases.personalized[variant] + self._texts_by_total[row.total][weight]
                return single_body(user_id, middle, phrases)
        [middle] = self._every_middle(serving, user_id, titles, row)
        return single_body(user_id, middle, serving.phrases)

    def page(
        self,
        serving: ServedGeneration,
        user_id: bytes,
        titles: Sequence[ServedTitle | bytes],
        raw: bytes | Unread | None,
    ) -> bytes:
        """The body of one pick per title, in the order asked; of nulls for an id, which stands for a title that is not known."""
        row = self._decoded(serving, user_id, raw)
        return page_body(user_id, self._every_middle(serving, user_id, titles, row), serving.phrases)

    def _every_middle(
        self,
        serving: ServedGeneration,
        user_id: bytes,
        titles: Sequence[ServedTitle | bytes],
        row: Row | None,
    ) -> list[bytes]:
        known = [title for title in titles if not isinstance(title, bytes)]
        middles = self._middles(serving, user_id, row, known)
        if len(known) == len(titles):
            return middles
        answered = iter(middles)
        return [unknown(title) if isinstance(title, bytes) else next(answered) for title in titles]

    def _decoded(self, serving: ServedGeneration, user_id: bytes, raw: bytes | Unread | None) -> Row | None:
        if not isinstance(raw, bytes):  # there is none, or the store did not answer in time
            return None
        try:
            row = decode_row(raw, user_id.decode(), serving.generation, serving.identity)
            if row.variant >= len(serving.meta.variants):
                raise RowError("variant", f"the row names variant {row.variant}, meta has {len(serving.meta.variants)}")
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
        phrase, texts = serving.phrases.personalized[row.variant], self._texts_by_total[row.row_format.total]
        picks = row.arms_and_weights([title.place for title in titles])
        drawn = [
            title.pieces[arm] + phrase + texts[weight] if weight and arm < len(title.pieces) else b""
            for title, (arm, weight) in zip(titles, picks, strict=True)
        ]
        lacking = [title for title, middle in zip(titles, drawn, strict=True) if not middle]
        if lacking and any(title.remaining for title in lacking):
            self._take_remaining(row, phrase, texts, titles, picks, drawn)
            lacking = [title for title, middle in zip(titles, drawn, strict=True) if not middle]
        self._metrics.picked(PERSONALIZED, serving.meta.variants[row.variant], len(drawn) - len(lacking))
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


def _remaining_answer(remaining: Remaining, hashed: int) -> bytes:
    """The same draw among the arms that remain; a retired one has no weight, so no point falls on it."""
    cumulated = remaining.cumulated
    arm = bisect_right(cumulated, (hashed * cumulated[-1]) >> 64) if cumulated else 0
    return remaining.answers[arm]
