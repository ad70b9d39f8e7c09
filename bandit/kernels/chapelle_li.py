"""The bandit of Chapelle and Li (2011, section 3): items that retire, and rewards that arrive late."""

import math

import numpy as np

from bandit.arrays import F64, I64, U8, U64
from bandit.kernels.beta_draws import draw_beta
from bandit.kernels.jit import kernel

UCB = 0
THOMPSON = 1
BATCHES = 0
EACH = 1
REFITS = 2


@kernel
def play(
    policy: int,
    reading: int,
    delay: int,
    rates: F64,
    times: I64,
    items: I64,
    arrivals: F64,
    uniforms: F64,
    stream: U64,
    arms: U8,
    takes: U8,
    regrets: F64,
) -> None:
    """One repetition of T steps; ``arms``, ``takes`` and ``regrets``, all (T,), are overwritten.

    At step ``times[e]`` (ascending) item ``items[e]`` retires and one of rate ``arrivals[e]`` takes its place, without a
    history; rewards of a retired item that are still under way are lost. Then the rewards that are due arrive, then an item is
    chosen: it is taken if ``uniforms[t]`` is below its rate, and its regret is the step's best rate minus its own. The policy
    knows at once that an item has retired; under ``REFITS`` only when the next batch of rewards arrives.

    Args:
        policy: ``UCB`` or ``THOMPSON``.
        reading: of the delay, ``BATCHES``, ``EACH`` or ``REFITS``.
        delay: δ, in steps, at least 1.
        rates: of the first items, (k,); changed in place.
        times: steps of the replacements, (e,).
        items: that retire, (e,).
        arrivals: rates of the items that come, (e,).
        uniforms: of the takes, (T,).
        stream: key and count for the draws of Thompson sampling, (2,); the count is advanced.
        arms: chosen items.
        takes: 1 where the chosen item was taken.
        regrets: of each step.
    """
    k = rates.shape[0]
    arrived, known = (
        np.zeros(k, dtype=np.int64),
        np.zeros(k, dtype=np.int64),
    )  # of the item there, of the one believed there
    takes_seen, seen = np.zeros(k), np.zeros(k)
    event = 0
    for t in range(arms.shape[0]):
        while event < times.shape[0] and times[event] == t:
            a = items[event]
            rates[a] = arrivals[event]
            arrived[a] = t
            event += 1
        if reading != REFITS or t % delay == 0:
            _notice(arrived, known, takes_seen, seen)
        if reading == EACH:
            if t >= delay:
                _receive(t - delay, t - delay + 1, arms, takes, known, takes_seen, seen)
        elif t % delay == 0:
            _receive(max(t - delay, 0), t, arms, takes, known, takes_seen, seen)
        draws = policy == THOMPSON
        a = _largest_draw(takes_seen, seen, stream) if draws else _largest_bound(t, known, takes_seen, seen)
        arms[t] = a
        takes[t] = 1 if uniforms[t] < rates[a] else 0
        regrets[t] = rates.max() - rates[a]


@kernel
def _notice(arrived: I64, known: I64, takes_seen: F64, seen: F64) -> None:
    for a in range(arrived.shape[0]):
        if known[a] != arrived[a]:
            known[a], takes_seen[a], seen[a] = arrived[a], 0.0, 0.0


@kernel
def _receive(start: int, stop: int, arms: U8, takes: U8, known: I64, takes_seen: F64, seen: F64) -> None:
    """Count the rewards of the steps from ``start`` to before ``stop``, but for those of items that have retired since."""
    for s in range(start, stop):
        a = arms[s]
        if s >= known[a]:
            takes_seen[a] += takes[s]
            seen[a] += 1.0


@kernel
def _largest_draw(takes_seen: F64, seen: F64, stream: U64) -> int:
    best, arm = -1.0, 0
    for a in range(seen.shape[0]):
        value = draw_beta(takes_seen[a] + 1.0, seen[a] - takes_seen[a] + 1.0, stream)
        if value > best:
            best, arm = value, a
    return arm


@kernel
def _largest_bound(t: int, known: I64, takes_seen: F64, seen: F64) -> int:
    """The largest upper bound m̂ + √(2 m̂ L / n) + 2 L / n (equation 1), L = ½ ln(age); the first unseen item before all others."""
    best, arm = -1.0, 0
    for a in range(seen.shape[0]):
        if seen[a] == 0.0:
            return a
        mean, spread = takes_seen[a] / seen[a], math.log(t - known[a] + 1.0) / seen[a]  # 2 L / n
        value = mean + math.sqrt(mean * spread) + spread
        if value > best:
            best, arm = value, a
    return arm
