"""E-detectors: evidence of a change, summed over every night on which it may have begun (Shin, Ramdas and Rinaldo 2022).

For every night j an e-process Λ_j starts that would grow if something changed on that night. M_n = Σ_{j ≤ n} Λ_j(n) is the
e-detector of Shiryaev and Roberts: while nothing changes, the expectation of M at any stopping time is at most the nights until
then, so that alarms at M ≥ c come at most once in c nights on average, whatever is looked at in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.special import logsumexp

from bandit.arrays import F64, I64

NIGHTS_TO_FALSE_ALARM: Final = 200
"""Nights between two false alarms, at least, on average over all signals together."""

LEAST_PAST: Final = 7
"""Numbers that a change is compared with, at least."""

LEAST_SINCE: Final = 2
"""Numbers since a change before it counts: one night that is out of the way is no change that lasts."""

SHIFTS: Final = (1.0, 3.0)
"""Standard deviations of the changes that are looked for, in standard deviations of a night."""


_ROUNDING: Final = 1e-12

_LARGEST: Final = 700.0
"""Logarithm of evidence that is told as it is."""


class Member(NamedTuple):
    """One series of a signal: m numbers, the night on which each was complete, ascending, and its evidence.

    ``logs`` (m, m) has in row j and column n the logarithm of the e-process that started with number j, after number n; -inf
    where it has not started. ``values`` and ``weights`` (m,) are for words: a change is told by means of both sides. ``share`` is
    what it counts among the members of its signal.
    """

    name: str
    nights: I64
    values: F64
    weights: F64
    logs: F64
    share: float = 1.0


@dataclass(frozen=True)
class Alarm:
    """A signal that crossed its threshold on ``night``; the change began about ``since``, in ``member``.

    ``before`` and ``after`` are means of the member's numbers on both sides of that night.
    """

    night: int
    since: int
    member: str
    evidence: float
    before: float
    after: float


@dataclass(frozen=True)
class Watched:
    """A signal over some nights: its e-detector after each (n,), what it is held against, and the alarms.

    After an alarm it begins anew: only changes after that night count, while nights before it stay the past that they are
    compared with.
    """

    evidence: F64
    threshold: float
    alarms: tuple[Alarm, ...]


def watch(members: Sequence[Member], nights: int, threshold: float, first: int = 0) -> Watched:
    """The e-detector of a signal with several series: the mean of theirs, which is one as well.

    Args:
        members: its series, one at least.
        nights: how many there are, numbered from 0.
        threshold: of an alarm; ``NIGHTS_TO_FALSE_ALARM`` times the number of signals that are watched together.
        first: changes that began before this night do not count.
    """
    shares = np.array([member.share for member in members])
    shares = shares / shares.sum()
    evidence, alarms, begin = np.zeros(nights), list[Alarm](), first
    while begin < nights:
        sums = np.array([_sums(member, nights, begin) for member in members])  # (members, nights)
        logs = logsumexp(sums, axis=0, b=shares[:, None])
        evidence[begin:] = np.exp(np.minimum(logs, _LARGEST))[begin:]
        crossed = np.flatnonzero(evidence[begin:] >= threshold)
        if not len(crossed):
            break
        night = begin + int(crossed[0])
        largest = members[int(np.argmax(sums[:, night] + np.log(shares)))]
        alarms.append(_alarm(largest, begin, night, float(evidence[night])))
        begin = night + 1
    return Watched(evidence, threshold, tuple(alarms))


def against_past(values: F64, weights: F64, least_past: int = LEAST_PAST, least_since: int = LEAST_SINCE) -> F64:
    """The logarithms of e-processes (m, m) against a mean that is only known by the numbers before, ``Member.logs``.

    While nothing changes, y_i ~ N(μ, σ² / w_i) with μ and σ unknown. The process that starts with number j takes those since then
    to lie around μ + δ σ, δ ~ N(0, κ²) in standard deviations of a night of usual weight. Both are integrated over dμ dσ / σ (the
    right Haar measure), so that their ratio is that of the densities of what does not depend on μ and σ: an e-process at every
    μ and σ, with the error of the mean before and of the standard deviation inside of it (Lai 1976; Grünwald, de Heide and
    Koolen 2024, section 4). With A = Σ_{i<j} w, B = Σ_{i≥j} w, b = B / (1 + κ² B), d the difference of both means and S the
    squares around them,

        Λ = (1 + κ² B)^{-1/2} ((A + B) / (A + b))^{1/2} ((S + d² A B / (A + B)) / (S + d² A b / (A + b)))^{(N - 1) / 2}.

    Args:
        values: y, (m,).
        weights: w, (m,), known before the numbers are: how many rewards a night lets expect.
        least_past: numbers before the first start.
        least_since: numbers that a process waits for before it counts.
    """
    size = len(values)
    out = np.full((size, size), -np.inf)
    if size <= least_past:
        return out
    w = weights / weights[:least_past].mean()
    y = values - np.average(values[:least_past], weights=w[:least_past])
    largest = float(np.abs(y).max())
    if largest <= _ROUNDING * float(np.abs(values).max()):  # they are all the same, but for their last bits
        largest = np.inf
    y = y / largest if largest > 0 else y
    total, first, second = (np.concatenate(([0.0], np.cumsum(column))) for column in (w, w * y, w * y * y))
    start, stop = np.arange(size)[:, None], np.arange(1, size + 1)[None, :]
    since = (start >= least_past) & (stop - start >= least_since)
    with np.errstate(divide="ignore", invalid="ignore"):
        before, after = total[start], total[stop] - total[start]
        mean_before = first[start] / before
        mean_after = (first[stop] - first[start]) / after
        inside = np.maximum(second[stop] - mean_before**2 * before - mean_after**2 * after, 0.0)
        square = (mean_after - mean_before) ** 2
        logs = [_log_ratio(before, after, inside, square, stop, shift) for shift in SHIFTS]
    out[since] = (logsumexp(logs, axis=0) - np.log(len(SHIFTS)))[since]
    return out


def against_truth(logs: F64) -> F64:
    """The logarithms of e-processes (m, m) of e-values that need no past, ``Member.logs``: products since each start.

    Args:
        logs: of the e-values of each number under each bet, (m, b); bets are held, and their processes averaged.
    """
    total = np.concatenate((np.zeros((1, logs.shape[1])), np.cumsum(logs, axis=0)))  # (m + 1, b)
    size = len(logs)
    start, stop = np.arange(size)[:, None], np.arange(1, size + 1)[None, :]
    sums = logsumexp(total[stop] - total[start], axis=2) - np.log(logs.shape[1])
    return np.where(stop > start, sums, -np.inf)


def _log_ratio(before: F64, after: F64, inside: F64, square: F64, count: I64, shift: float) -> F64:
    """The logarithm of Λ of one κ; 0 where numbers do not differ at all."""
    shrunk = after / (1 + shift**2 * after)
    usual = inside + square * before * after / (before + after)
    changed = inside + square * before * shrunk / (before + shrunk)
    ratio = np.where(changed > 0, usual / np.where(changed > 0, changed, 1.0), 1.0)
    sizes = np.log((before + after) / (before + shrunk)) - np.log1p(shift**2 * after)
    return np.asarray((sizes + (count - 1) * np.log(ratio)) / 2)


def _sums(member: Member, nights: int, begin: int) -> F64:
    """The logarithm of Σ_j Λ_j after each night, of the starts from night ``begin`` on.

    A number of several nights starts with the first of them.
    """
    own = member.logs[_first_nights(member) >= begin]
    sums = np.concatenate(([-np.inf], logsumexp(own, axis=0) if len(own) else np.full(len(member.nights), -np.inf)))
    return np.asarray(sums[np.searchsorted(member.nights, np.arange(nights), side="right")])


def _first_nights(member: Member) -> I64:
    return np.concatenate((member.nights[:1], member.nights[:-1] + 1))


def _alarm(member: Member, begin: int, night: int, evidence: float) -> Alarm:
    ended = int(np.searchsorted(member.nights, night, side="right")) - 1
    own = np.flatnonzero(_first_nights(member) >= begin)
    logs = member.logs[own, ended]
    at = int(
        own[np.flatnonzero(logs >= logs.max() - _ROUNDING)[-1]]
    )  # nights of nothing leave it open: the last of them
    after = float(np.average(member.values[at : ended + 1], weights=member.weights[at : ended + 1]))
    before = float(np.average(member.values[:at], weights=member.weights[:at])) if at else after
    return Alarm(night, int(_first_nights(member)[at]), member.name, evidence, before, after)
