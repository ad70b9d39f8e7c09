"""The figures of a run beside what is required of them."""

from collections.abc import Sequence
from typing import Final

from artwork.bench.serving.contenders import MODEL, NAIVELY, PAGES, RAW, SINGLE
from artwork.bench.serving.highest import Highest
from artwork.bench.serving.plan import JUDGED_PICKS
from artwork.bench.serving.results import Case, Overload, Start
from artwork.bench.targets import SATURATED, UNCONFIRMED, Judged, Limit, Target

PAGE_PICKS: Final = Target(8, 20)
ACCEPTED: Final = Target(0.8, 1.0)
SINGLE_P99_MS: Final = Limit(5, 2)
PAGE_P99_MS: Final = Limit(5, 3)
OVERLOAD_P99_MS: Final = Limit(5, 5)
READY_SECONDS: Final = Limit(1.5, 0.8)
RESIDENT_MEGABYTES: Final = Limit(150, 100)

BESIDE: Final = {NAIVELY: Target(4, 5.5), MODEL: Target(2.5, 3.5), RAW: Target(0.35, 0.48)}


def judge(cases: Sequence[Case], overload: Overload, start: Start) -> list[Judged]:
    """Every target that this run can be judged by; a rival that is not installed is not judged."""
    by_name = {case.name: case for case in cases if case.row_picks == JUDGED_PICKS}
    single, page = by_name[SINGLE], by_name[PAGES]
    ratios = [
        Judged.of(f"single look-ups/s, beside {name}", single.closed.times(by_name[name].closed), "x", target)
        for name, target in BESIDE.items()
        if name in by_name
    ]
    return [*ratios, *_latencies(single, page), *_overload(overload, single.highest), *_start(start)]


def _latencies(single: Case, page: Case) -> list[Judged]:
    picks = page.closed.times(single.closed) * page.picks
    at = "p99 at 60 % of the highest rate"
    return [
        Judged.of(f"single, {at}", single.steady.p99_ms.median, "ms", SINGLE_P99_MS, _hindrance(single.highest)),
        Judged.of("picks/s of pages, beside single look-ups", picks, "x", PAGE_PICKS),
        Judged.of(f"page, {at}", page.steady.p99_ms.median, "ms", PAGE_P99_MS, _hindrance(page.highest)),
    ]


def _overload(overload: Overload, highest: Highest) -> list[Judged]:
    share, p99 = overload.share_of_highest, overload.accepted_p99_ms
    of_all = "at twice the highest rate"
    hindrance = _hindrance(highest)
    return [
        Judged.of(f"accepted {of_all}, of that rate", share, "x", ACCEPTED, hindrance),
        Judged.of(f"p99 of the accepted {of_all}", p99, "ms", OVERLOAD_P99_MS, hindrance),
    ]


def _start(start: Start) -> list[Judged]:
    what = f"with {start.titles:,} titles x 10 artworks"
    ready = Judged.of(f"start to ready, {what}", start.ready_seconds.median, "s", READY_SECONDS)
    if start.resident_megabytes is None:
        return [ready]
    memory = start.resident_megabytes.median
    return [ready, Judged.of(f"resident memory, {what}", memory, "MB", RESIDENT_MEGABYTES)]


def _hindrance(highest: Highest) -> str:
    """Why a figure that rests on a highest rate says nothing, or nothing."""
    if highest.saturated:
        return SATURATED
    return "" if highest.confirmed else UNCONFIRMED
