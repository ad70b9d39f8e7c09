"""Whether an impression is what its generation gave, and with what probability it was shown.

Let p be the probabilities that a pick was drawn with (weights over their total), R the artworks of the title that the revision
retires, and q the fallback's weights without them, renormalised. While the store answers, a pick that is retired is answered
by the fallback, whose draw does not depend on the pick. So artwork a is shown with the probability p_a + q_a Σ_{b in R} p_b.
This is the propensity of a pick that stands and of an answer in place of a retired one alike: to take p_a for the one and q_a
for the other would count the share Σ_R p_b twice.

An answer of the fallback although the pick stands means that the store failed at that moment. That does not depend on the
pick, so the artwork was drawn from q alone, whatever the pick is: q_a. So it was for a user without a pick. Where the store
failed and the pick is retired, the answer cannot be told from one in place of the pick, and has the first propensity. With
failures in a share f of look-ups, the weighted reward of artwork a is then off by the factor
1 + f (1 - Σ_R p_b - p_a / (p_a + q_a Σ_R p_b)): by f at most, by nothing where no artwork of the title is retired.

Where picks are kept (``bandit.policies.stickiness``), p is the probability given the previous pick, which was drawn before. To
compute it again takes the files of the generation before: without them an impression of such a title is set aside.

Where the fallback has no weight left, its default answers alone: q is 1 for it.

An answer of a segment is given only where there was no row that could be used: for a user whom the generation does not know, or
while the store failed. Neither depends on a pick, so the artwork was drawn from the segment's weights that remain, and its
propensity is its share of them. It is learned from with the context of the user, or of the segment where the user is not known.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, I64, U64, Bool
from bandit.policies import Popularity
from bandit.snapshot import Overlay, remaining_default, remaining_weights
from batch.events.recorded import RecordedGeneration

PERSONALIZED: Final = "personalized"
SEGMENT: Final = "segment"
DEFAULT: Final = "default"

UNKNOWN_REVISION: Final = "unknown revision"
ADDED_TITLE: Final = "added title"
UNKNOWN_TITLE: Final = "unknown title"
UNKNOWN_ARTWORK: Final = "unknown artwork"
UNKNOWN_USER: Final = "unknown user"
UNKNOWN_SEGMENT: Final = "unknown segment"
UNKNOWN_SOURCE: Final = "unknown source"
RETIRED: Final = "retired artwork"
NOT_THE_PICK: Final = "not the pick"
NOT_THE_DRAW: Final = "not the draw"
NOT_REPRODUCED: Final = "weight not reproduced"

_REASONS: Final = (
    "",
    UNKNOWN_REVISION,
    UNKNOWN_SEGMENT,
    UNKNOWN_SOURCE,
    ADDED_TITLE,
    UNKNOWN_TITLE,
    UNKNOWN_ARTWORK,
    UNKNOWN_USER,
    RETIRED,
    NOT_THE_PICK,
    NOT_THE_DRAW,
    NOT_REPRODUCED,
)
_NONE: Final = 0  # the place of no reason
_ROUNDING: Final = 1  # units by which weights may differ on another kind of processor
_ROWS: Final = 8_192  # that are drawn for at a time: a table of them and a title's artworks has up to 16 MB
_LOW32, _S32 = np.uint64(0xFFFFFFFF), np.uint64(32)


class Judged(NamedTuple):
    """What became of m impressions.

    ``reason`` is empty for those that are learned from, and they alone have the rest. ``stands`` are answers of the fallback
    although the pick was not retired: the store had failed. ``previous`` is the arm that the pick was drawn given, null where
    there was none.
    """

    reason: pl.Series
    arm: pl.Series
    eligible: pl.Series
    policy: pl.Series
    propensity: pl.Series
    context: pl.Series
    previous: pl.Series
    stands: pl.Series


class _Fallback(NamedTuple):
    """The fallback of every title, and below those of titles with artworks retired, (g, K) with K the largest title."""

    of_rows: I64  # (m,)
    eligible: Bool
    remaining: I64
    total: I64  # (g,)
    default: I64  # (g,), -1 where no artwork remains


class _SegmentDraws(NamedTuple):
    """Of m impressions, those of segments: the place of the segment, -1 where it is not known, and its draw and chance."""

    place: I64
    drawn: I64  # arm, -1 where nothing is drawn
    chance: F64  # of the artwork that was shown


def judge(recorded: RecordedGeneration, rows: pl.DataFrame, overlays: Mapping[int, Overlay]) -> Judged:
    """Hold impressions of a generation against what it gave.

    Args:
        recorded: the generation.
        rows: user_id, title_id, artwork_id, revision, source and segment of each, (m,).
        overlays: those of the revisions that they name, as far as they are known.
    """
    found = recorded.look_up(rows)
    title, arm, user, picked, weight = found[:5]
    source = rows["source"].to_numpy()
    is_pick, is_default, is_segment = source == PERSONALIZED, source == DEFAULT, source == SEGMENT
    falls_back = is_default | (source == Popularity.name)
    fallback = _fallback(recorded, rows, title, overlays)
    group = fallback.of_rows
    remaining = fallback.remaining[group, np.maximum(arm, 0)]
    # Of the shown artwork; where nothing is left of the weights, the default is drawn alone.
    total = fallback.total[group]
    chance = np.where(total > 0, remaining / np.maximum(total, 1), fallback.default[group] == arm)
    drawn = np.full(rows.height, -1)
    for to_draw in _some(falls_back & (title >= 0) & (user >= 0)):
        drawn[to_draw] = _drawn(recorded, fallback, group[to_draw], user[to_draw], title[to_draw])
    segment = _segment_draws(recorded, rows, fallback, title, arm)
    chance = np.where(is_segment, segment.chance, chance)
    pick_is_retired = (picked >= 0) & ~fallback.eligible[group, np.maximum(picked, 0)]
    reason = _reasons(
        {
            UNKNOWN_REVISION: ~np.isin(rows["revision"].to_numpy(), list(overlays)),
            UNKNOWN_SEGMENT: is_segment & (segment.place < 0),
            UNKNOWN_SOURCE: ~(is_pick | falls_back | is_segment),
            ADDED_TITLE: is_default & (fallback.default[group] < 0) & _is_added(rows, overlays),
            UNKNOWN_TITLE: title < 0,
            UNKNOWN_ARTWORK: arm < 0,
            UNKNOWN_USER: (user < 0) & ~is_segment,
            RETIRED: ~fallback.eligible[group, np.maximum(arm, 0)],
            NOT_THE_PICK: is_pick & (picked != arm),
            NOT_THE_DRAW: (falls_back & ((drawn != arm) | (is_default != (total == 0))))
            | (is_segment & (segment.drawn != arm)),
        }
    )
    propensity = np.where(is_pick, weight / recorded.total, chance)
    is_cut = group > len(recorded.sizes)  # artworks of the title are retired
    again = np.flatnonzero((reason == _NONE) & is_cut & (is_pick | pick_is_retired) & ~is_segment)
    if len(again):
        weights = recorded.pick_weights(user[again], title[again])  # (n, K)
        differs = np.abs(np.take_along_axis(weights, picked[again, None], axis=1)[:, 0] - weight[again]) > _ROUNDING
        propensity[again] = (
            _through_retirement(weights, arm[again], chance[again], fallback.eligible[group[again]]) / recorded.total
        )
        reason[again[differs]] = _REASONS.index(NOT_REPRODUCED)
    lists = pl.Series([np.flatnonzero(arms).tolist() for arms in fallback.eligible], dtype=pl.List(pl.UInt8))
    names = pl.select(
        pl.when(pl.lit(pl.Series(is_pick)))
        .then(pl.lit(found.policy))
        .when(pl.lit(pl.Series(is_segment)))
        .then(pl.lit(recorded.segment_policy))
        .when(pl.lit(pl.Series(is_default)))
        .then(pl.lit(DEFAULT))
        .otherwise(pl.lit(Popularity.name))
    ).to_series()
    return Judged(
        pl.Series(_REASONS).gather(reason),
        _or_null(arm).cast(pl.UInt8),
        lists.gather(group),
        names,
        pl.Series(propensity),
        recorded.contexts.gather(_or_null(np.where((user < 0) & is_segment, recorded.n_users + segment.place, user))),
        _or_null(found.previous).cast(pl.UInt8),
        pl.Series((reason == _NONE) & ~is_pick & (picked >= 0) & ~pick_is_retired),
    )


def _or_null(places: I64) -> pl.Series:
    return pl.select(pl.when(pl.lit(pl.Series(places >= 0))).then(pl.lit(pl.Series(places)))).to_series()


def _through_retirement(weights: I64, arms: I64, chances: F64, eligible: Bool) -> F64:
    """w_a + q_a Σ_retired w_b of the shown arms (n,), from all weights of their picks (n, K) and q of what was shown."""
    own = np.take_along_axis(weights, arms[:, None], axis=1)[:, 0]
    retired = np.where(eligible, 0, weights).sum(axis=1)
    return np.asarray(own + retired * chances, dtype=np.float64)


def _fallback(
    recorded: RecordedGeneration, rows: pl.DataFrame, title: I64, overlays: Mapping[int, Overlay]
) -> _Fallback:
    """The fallback of each title and revision that impressions name; what is none has a group in which nothing is."""
    pairs = rows.select("revision", "title_id", title=pl.Series(title)).unique(maintain_order=True)
    retiring: dict[tuple[int, tuple[int, ...]], int] = {}
    of_pairs = []
    nothing = len(recorded.sizes)
    for revision, title_id, place in pairs.rows():
        retired = overlays[revision].retired.get(title_id, ()) if revision in overlays and place >= 0 else ()
        arms = recorded.arms(place, retired) if retired else ()
        key = (place, arms)
        of_pairs.append(
            retiring.setdefault(key, nothing + 1 + len(retiring)) if arms else (place if place >= 0 else nothing)
        )
    made = [_without(recorded, *key) for key in retiring]
    none = np.zeros((1, recorded.there.shape[1]), dtype=np.int64)
    eligible = np.concatenate([recorded.there, none.astype(np.bool_), *(item[0] for item in made)])
    remaining = np.concatenate([recorded.weights, none, *(item[1] for item in made)])
    default = np.concatenate([recorded.defaults, [-1], [item[2] for item in made]]).astype(np.int64)
    groups = pairs.select("revision", "title_id", group=pl.Series(of_pairs, dtype=pl.Int64))
    placed = rows.select("revision", "title_id").join(
        groups, on=["revision", "title_id"], how="left", maintain_order="left"
    )
    return _Fallback(placed["group"].to_numpy(), eligible, remaining, remaining.sum(axis=1), default)


def _without(recorded: RecordedGeneration, title: int, arms: tuple[int, ...]) -> tuple[Bool, I64, int]:
    """What remains of a title: which arms and their fallback weights, (1, K) each, and the default, -1 where there is none."""
    size = int(recorded.sizes[title])
    eligible = recorded.there[title : title + 1].copy()
    eligible[0, list(arms)] = False
    remaining = np.zeros_like(recorded.weights[:1])
    remaining[0, :size] = remaining_weights(recorded.weights[title, :size].tolist(), arms)[0]
    default = remaining_default(size, int(recorded.defaults[title]), arms) if eligible.any() else -1
    return eligible, remaining, default


def _drawn(recorded: RecordedGeneration, fallback: _Fallback, group: I64, user: I64, title: I64) -> I64:
    """What the fallback draws for users and titles, (n,): the smallest arm a with cumsum(w)[a] > ⌊h·Σw/2⁶⁴⌋."""
    totals = fallback.total[group]
    points = _points(recorded.fallback_hashes(user, title), totals)
    edges = np.cumsum(fallback.remaining, axis=1, dtype=np.int32)
    arms = (edges[group] > points[:, None]).argmax(axis=1)
    return np.where(totals > 0, arms, fallback.default[group])


def _segment_draws(
    recorded: RecordedGeneration, rows: pl.DataFrame, fallback: _Fallback, title: I64, arm: I64
) -> _SegmentDraws:
    """What segments draw for users and titles, without the artworks that are retired."""
    names = pl.DataFrame({"segment": pl.Series(recorded.segments, dtype=pl.String)}).with_row_index("place")
    known = rows.select("segment").join(names, on="segment", how="left", maintain_order="left")["place"]
    place = known.cast(pl.Int64).fill_null(-1).to_numpy()
    drawn, chance = np.full(rows.height, -1), np.zeros(rows.height)
    for at in _some((rows["source"].to_numpy() == SEGMENT) & (place >= 0) & (title >= 0)):
        eligible = fallback.eligible[fallback.of_rows[at]]
        weights = np.where(eligible, recorded.segment_weights(place[at], title[at]), 0)  # (n, K)
        totals = weights.sum(axis=1)
        points = _points(recorded.segment_hashes(rows["user_id"].gather(at), title[at]), totals)
        arms = (np.cumsum(weights, axis=1) > points[:, None]).argmax(axis=1)
        drawn[at] = np.where(totals > 0, arms, -1)
        shown = np.take_along_axis(weights, np.maximum(arm[at], 0)[:, None], axis=1)[:, 0]
        chance[at] = shown / np.maximum(totals, 1)
    return _SegmentDraws(place, drawn, chance)


def _some(wanted: Bool) -> list[I64]:
    """The places of what is wanted, some at a time."""
    places = np.flatnonzero(wanted)
    return [places[first : first + _ROWS] for first in range(0, len(places), _ROWS)]


def _points(hashes: U64, totals: I64) -> I64:
    """⌊h·Σw/2⁶⁴⌋, (n,)."""
    own = totals.astype(np.uint64)
    return (((hashes >> _S32) * own + (((hashes & _LOW32) * own) >> _S32)) >> _S32).astype(np.int64)


def _is_added(rows: pl.DataFrame, overlays: Mapping[int, Overlay]) -> Bool:
    """Whether an overlay answers for the title with the artwork that was shown, (m,)."""
    added = [(number, *item) for number, overlay in overlays.items() for item in overlay.added.items()]
    schema: dict[str, pl.DataType] = {
        "revision": rows.schema["revision"],
        "title_id": pl.String(),
        "artwork_id": pl.String(),
    }
    frame = pl.DataFrame(added, schema=schema, orient="row").with_columns(added=pl.lit(value=True))
    known = rows.select(list(schema)).join(frame, on=list(schema), how="left", maintain_order="left")
    return known["added"].fill_null(value=False).to_numpy()


def _reasons(conditions: Mapping[str, Bool]) -> I64:
    """The place in ``_REASONS`` of the first reason that holds for each impression, (m,)."""
    return np.select(list(conditions.values()), [_REASONS.index(name) for name in conditions], default=_NONE)
