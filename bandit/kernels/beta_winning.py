"""P(arm has the largest rate) for independent Beta arms, by quadrature on the scale of log-odds."""

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, Bool
from bandit.kernels.jit import kernel

_DROP = 21.0  # a log-concave density that fell by e^-21 from its mode has at most that share, 8e-10, of its mass beyond
_CURVED = 3.0  # panel width in local deviations, 1 / sqrt(curvature of the log-density)
_BEND = 2.0  # panel width where a tail sets in: the density has singularities pi away from there
_GRADED = 2.0  # panel width in distances from the bend: tails are ever smoother
_TAIL = 4.0  # panel width in lengths of an exponential tail
_PANELS = 64  # panels per arm: five times what any needs, so that garbage ends too
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(16)


def _running() -> F64:
    """Weights (16, 16) of the integral from -1 to each node, exact for the polynomial through the nodes."""
    powers = np.polynomial.legendre.legvander(_NODES, 15)  # (16, 16)
    antiderivatives = np.column_stack(
        [
            np.polynomial.legendre.legval(_NODES, np.polynomial.legendre.legint(row, lbnd=-1))
            for row in np.eye(len(_NODES))
        ]
    )
    return np.ascontiguousarray(antiderivatives @ np.linalg.inv(powers))


_RUNNING = _running()


@kernel
def beta_win_probabilities(successes: F64, failures: F64, eligible: Bool, out: F64) -> None:
    """Probability of each eligible arm to be the largest; ``out`` (n, k) is overwritten, its rows sum to one.

    P(a wins) = ∫ f_a ∏_{b≠a} F_b on the scale of log-odds, where a Beta density is smooth and log-concave whatever its
    parameters; on the scale of rates it has poles at 0 and 1, and of a Beta(0.01, 1) one part in 1,000 lies below the smallest
    double. F_b is the running integral of f_b over the same nodes: exponentials only, 0.2 ms for a row of 10 arms, where scipy's
    incomplete beta function at the same nodes takes 4. The range starts where every arm has some mass below it, and arms that
    end before it never win.
    """
    n, k = successes.shape
    arms = np.empty(k, dtype=np.int64)
    reach = np.empty((k, 2))  # lowest and highest log-odds that count
    mass, below = np.empty(k), np.empty(k)
    density, running, others = np.empty((k, 16)), np.empty((k, 16)), np.empty(k)
    for i in range(n):
        count, low, high = _reaches(successes[i], failures[i], eligible[i], arms, reach)
        for a in arms[:count]:
            below[a], mass[a] = _own_mass(successes[i, a], failures[i, a], reach[a, 0], low, reach[a, 1])
        out[i, :] = 0.0
        x = low
        for _ in range(_PANELS * (count + 1)):
            if not x < high:
                break
            end = _panel_end(x, high, successes[i], failures[i], arms[:count], reach)
            for a in arms[:count]:
                _arm_panel(x, end, successes[i, a], failures[i, a], mass[a], density[a])
                below[a] = _run(density[a], below[a], 0.5 * (end - x), running[a])
            _add_wins(0.5 * (end - x), density, running, arms[:count], others, out[i])
            x = end
        total = out[i].sum()
        for a in range(k):
            out[i, a] /= total


@kernel
def _reaches(
    successes: F64, failures: F64, eligible: Bool, arms: npt.NDArray[np.int64], reach: F64
) -> tuple[int, float, float]:
    """Number of arms that can win, start and end of the range; ``arms`` and ``reach`` are overwritten."""
    low, high = -np.inf, -np.inf
    for a in range(successes.shape[0]):
        if eligible[a]:
            middle = np.log(successes[a]) - np.log(failures[a])
            reach[a, 0] = middle - _distance(failures[a], successes[a])
            reach[a, 1] = middle + _distance(successes[a], failures[a])
            low, high = max(low, reach[a, 0]), max(high, reach[a, 1])
    count = 0
    for a in range(successes.shape[0]):
        if eligible[a] and reach[a, 1] > low:
            arms[count] = a
            count += 1
    return count, low, high


@kernel
def _distance(alpha: float, beta: float) -> float:
    """How far above the mode the log-density has fallen by ``_DROP``, or a little further.

    Newton's steps: the fall is convex, so that they come down to the root from above after the first.
    """
    d = np.sqrt(2.0 * _DROP * (1.0 / alpha + 1.0 / beta))
    for _ in range(100):
        fall = -_log_density(d, alpha, beta)
        if _DROP <= fall < _DROP + 1.0:
            break
        d += (_DROP - fall) / _slope(d, alpha, beta)
    return float(d)


@kernel
def _slope(delta: float, alpha: float, beta: float) -> float:
    """How fast the log-density falls at ``delta`` above the mode: (α+β) p - α or β - (α+β)(1-p), whichever keeps its digits."""
    if alpha > beta:
        return float(beta - (alpha + beta) / (1.0 + alpha / beta * np.exp(delta)))
    return float((alpha + beta) / (1.0 + beta / alpha * np.exp(-delta)) - alpha)


@kernel
def _log_density(delta: float, alpha: float, beta: float) -> float:
    """Log-density at ``delta`` log-odds above the mode, less that at the mode.

    α δ - (α+β) log(1 + p (e^δ - 1)) with p = α/(α+β) at most 1/2: the mirrored form of a Beta with α > β would lose every digit.
    """
    if alpha > beta:
        alpha, beta, delta = beta, alpha, -delta
    share = alpha / (alpha + beta)
    grown = np.log1p(share * np.expm1(delta)) if delta < 700.0 else delta + np.log(share)  # e^710 overflows
    return float(alpha * delta - (alpha + beta) * grown)


@kernel
def _own_mass(alpha: float, beta: float, start: float, low: float, high: float) -> tuple[float, float]:
    """Mass of one arm below ``low``, as a share of all, and its whole mass where the density at the mode is 1."""
    density = np.empty(16)
    below, mass, x = 0.0, 0.0, start
    for _ in range(2 * _PANELS):
        if not x < high:
            break
        end = min(x + _width(x, alpha, beta), low if x < low else high)
        _arm_panel(x, end, alpha, beta, 1.0, density)
        mass += 0.5 * (end - x) * (density * _NODE_WEIGHTS).sum()
        if end <= low:
            below = mass
        x = end
    return below / mass, mass


@kernel
def _width(x: float, alpha: float, beta: float) -> float:
    """Width of a panel from x that 16 nodes resolve: short where the log-density bends, long in its tails."""
    bend = np.log(max(alpha, 1.0)) - np.log(max(beta, 1.0))  # where an exponential tail sets in
    if x < bend:
        width = min(max(_BEND, (bend - x) * _GRADED / (1.0 + _GRADED)), _TAIL / min(alpha, 1.0))
    else:
        width = min(max(_BEND, (x - bend) * _GRADED), _TAIL / min(beta, 1.0))
    for _ in range(1000):
        nearest = max(x, min(0.0, x + width))  # the curvature (α+β) p (1-p) is largest at log-odds of 0
        fallen = np.exp(-abs(nearest))
        if not width * np.sqrt((alpha + beta) * fallen) > _CURVED * (1.0 + fallen):
            break
        width *= 0.8
    return float(width)


@kernel
def _panel_end(x: float, high: float, successes: F64, failures: F64, arms: npt.NDArray[np.int64], reach: F64) -> float:
    end = high
    for a in arms:
        if x < reach[a, 1]:
            end = min(end, x + _width(x, successes[a], failures[a]))
    return end


@kernel
def _arm_panel(start: float, end: float, alpha: float, beta: float, mass: float, density: F64) -> None:
    """Density of an arm at the nodes of a panel; ``density`` (16,) is overwritten."""
    mode = np.log(alpha) - np.log(beta)
    middle, half = 0.5 * (start + end) - mode, 0.5 * (end - start)
    for j in range(_NODES.shape[0]):
        density[j] = np.exp(_log_density(middle + half * _NODES[j], alpha, beta)) / mass


@kernel
def _run(density: F64, below: float, half: float, running: F64) -> float:
    """Mass below each node, ``running`` (16,), and below the end of the panel, from the mass below its start."""
    for j in range(_NODES.shape[0]):
        total = 0.0
        for m in range(_NODES.shape[0]):
            total += _RUNNING[j, m] * density[m]
        running[j] = below + half * total
    return float(below + half * (density * _NODE_WEIGHTS).sum())


@kernel
def _add_wins(half: float, density: F64, running: F64, arms: npt.NDArray[np.int64], others: F64, out: F64) -> None:
    """Add ∫ f_a ∏_{b≠a} F_b over a panel, the products from the left and from the right: F may be 0, so nothing is divided."""
    for j in range(_NODES.shape[0]):
        product = half * _NODE_WEIGHTS[j]
        for a in arms:
            others[a] = product
            product *= running[a, j]
        product = 1.0
        for a in arms[::-1]:
            out[a] += density[a, j] * others[a] * product
            product *= running[a, j]
