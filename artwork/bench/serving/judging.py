"""The figures of a run beside what is required of them."""

from collections.abc import Mapping, Sequence
from typing import Final

from artwork.bench.serving.contenders import BARE, BEFORE_PAGES, BEFORE_SINGLE, MODEL, NAIVELY, PAGES, RAW, SINGLE
from artwork.bench.serving.highest import Highest
from artwork.bench.serving.plan import JUDGED_PICKS
from artwork.bench.serving.results import Broken, Case, Overload, Ratio, Start
from artwork.bench.targets import SATURATED, UNCONFIRMED, Judged, Limit, Target

PAGE_PICKS: Final = Target(130, 130)
ACCEPTED: Final = Target(0.8, 1.0)
SINGLE_P99_MS: Final = Limit(2, 2)
PAGE_P99_MS: Final = Limit(5, 3)
FAULT_P99_MS: Final = Limit(5, 5)
OVERLOAD_P99_MS: Final = Limit(5, 5)
READY_SECONDS: Final = Limit(1.5, 0.8)
RESIDENT_MEGABYTES: Final = Limit(150, 100)

BESIDE: Final = {NAIVELY: Target(9, 9), MODEL: Target(5, 5), RAW: Target(0.7, 0.7)}
SHOWN: Final = ((SINGLE, (BEFORE_SINGLE, *BARE)), (PAGES, (BEFORE_PAGES,)))
"""What is ours, and beside what its rate is shown."""


def judge(cases: Sequence[Case], overload: Overload, start: Start, broken: Sequence[Broken]) -> list[Judged]:
    """Every target that this run can be judged by; a rival that is not installed is not judged."""
    by_name = _judged_cases(cases)
    single = by_name[SINGLE]
    ratios = [
        Judged.of(f"single look-ups/s, beside {name}", single.closed.times(by_name[name].closed), "x", target)
        for name, target in BESIDE.items()
        if name in by_name
    ]
    return [
        *ratios,
        *_pages(by_name),
        *_latencies(by_name),
        *_broken(broken),
        *_overload(overload, single),
        *_start(start),
    ]


def ratios_of(cases: Sequence[Case]) -> list[Ratio]:
    """Our rates beside those of another tree and of other servers, where they were measured."""
    by_name = _judged_cases(cases)
    return [
        Ratio(f"{ours}, beside {name}", by_name[ours].closed.times(by_name[name].closed))
        for ours, names in SHOWN
        for name in names
        if name in by_name
    ]


def _judged_cases(cases: Sequence[Case]) -> dict[str, Case]:
    return {case.name: case for case in cases if case.row_picks == JUDGED_PICKS}


def _pages(by_name: Mapping[str, Case]) -> list[Judged]:
    page, naive = by_name[PAGES], by_name[NAIVELY]
    return [
        Judged.of(f"picks/s of pages, beside {NAIVELY}", page.closed.times(naive.closed, page.picks), "x", PAGE_PICKS)
    ]


def _latencies(by_name: Mapping[str, Case]) -> list[Judged]:
    return [
        Judged.of(f"{name}, p99 at 60 % of the highest rate", case.steady.p99_ms, "ms", limit, _hindrance(case.highest))
        for name, limit in ((SINGLE, SINGLE_P99_MS), (PAGES, PAGE_P99_MS))
        if (case := by_name[name]).steady is not None
    ]


def _broken(broken: Sequence[Broken]) -> list[Judged]:
    return [
        Judged.of(
            f"single look-ups, p99 while {each.fault}",
            each.p99_ms,
            "ms",
            FAULT_P99_MS,
            SATURATED if each.lag_ms.median > FAULT_P99_MS.at_most / 2 else "",
        )
        for each in broken
    ]


def _overload(overload: Overload, single: Case) -> list[Judged]:
    share, p99 = overload.share_of_highest, overload.accepted_p99_ms
    of_all = "at twice the highest rate"
    hindrance = _hindrance(single.highest)
    return [
        Judged.of(f"accepted {of_all}, of that rate", share, "x", ACCEPTED, hindrance),
        Judged.of(f"p99 of the accepted {of_all}, since sent", p99, "ms", OVERLOAD_P99_MS, hindrance),
    ]


def _start(start: Start) -> list[Judged]:
    what = f"with {start.titles:,} titles x 10 artworks"
    ready = Judged.of(f"start to ready, {what}", start.ready_seconds, "s", READY_SECONDS)
    if start.resident_megabytes is None:
        return [ready]
    return [ready, Judged.of(f"resident memory, {what}", start.resident_megabytes, "MB", RESIDENT_MEGABYTES)]


def _hindrance(highest: Highest | None) -> str:
    """Why a figure that rests on a highest rate says nothing, or nothing."""
    if highest is not None and highest.saturated:
        return SATURATED
    return "" if highest is not None and highest.confirmed else UNCONFIRMED
