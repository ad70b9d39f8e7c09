"""Slow twins of the mathematics, written from the formulas and sharing no code with ``bandit``.

Kernels, rows and whole generations are compared with them. Plain loops where that is bearable, scipy's integration
for win probabilities, exact fractions for weights.
"""

import json
import zlib
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from math import comb, factorial, fsum
from math import floor as whole_part
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import special
from scipy.integrate import quad_vec
from scipy.optimize import root
from scipy.special import expit, log_expit, log_ndtr

F64 = npt.NDArray[np.float64]
Mask = Sequence[bool]

TOTAL = 65535
TIE = 1e-9  # means nearer than this share of the largest one tie


# --- the hash and the draw ---------------------------------------------------------------------------------------------


def _word(text: str) -> int:
    digest = blake2b(text.encode("utf-8"), digest_size=8).digest()
    return sum(byte << (8 * place) for place, byte in enumerate(digest))


def _absorb(state: int, word: int) -> int:
    z = ((state ^ word) + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def keyed_hash(purpose: str, seed: int, generation: int, user_id: str, title_id: str) -> int:
    """The 64-bit number of (purpose, seed, generation, user, title)."""
    state = 0
    for word in (_word(purpose), seed % 2**64, generation % 2**64, _word(user_id), _word(title_id)):
        state = _absorb(state, word)
    return state


def draw(weights: Sequence[int], hashed: int, total: int = TOTAL) -> int:
    """The smallest arm whose cumulative weight is above ⌊h·T/2⁶⁴⌋."""
    point = whole_part(Fraction(hashed * total, 2**64))
    return next(arm for arm in range(len(weights)) if sum(weights[: arm + 1]) > point)


# --- floors and weights ------------------------------------------------------------------------------------------------


def floored(
    p: Sequence[float],
    eligible: Mask | None = None,
    new: Mask | None = None,
    floor: float = 0.02,
    new_floor: float = 0.05,
) -> list[Fraction]:
    """p̃ = (1-φ-ν)p + φ/k + ν·[new]/n_new over the eligible arms, exactly; 0 for the others."""
    arms = [a for a in range(len(p)) if eligible is None or eligible[a]]
    fresh = [a for a in arms if new is not None and new[a]]
    phi = Fraction(floor)
    nu = min(len(fresh) * Fraction(new_floor), Fraction(1, 2))
    total = sum(Fraction(p[a]) for a in arms)
    shares = [Fraction(0)] * len(p)
    for a in arms:
        shares[a] = (1 - phi - nu) * Fraction(p[a]) / total + phi / len(arms)
        if a in fresh:
            shares[a] += nu / len(fresh)
    return shares


def quantise(
    p: Sequence[float],
    eligible: Mask | None = None,
    new: Mask | None = None,
    floor: float = 0.02,
    new_floor: float = 0.05,
    total: int = TOTAL,
) -> list[int]:
    """w = 1 + largest remainder of p̃·(T-k); without "+1" and with T when φ = 0."""
    arms = [a for a in range(len(p)) if eligible is None or eligible[a]]
    extra = 1 if floor > 0 else 0
    units = total - extra * len(arms)
    targets = [share * units for share in floored(p, eligible, new, floor, new_floor)]
    weights = [whole_part(target) for target in targets]
    left = units - sum(weights)
    by_remainder = sorted(arms, key=lambda a: (weights[a] - targets[a], a))
    for a in by_remainder[:left]:
        weights[a] += 1
    for a in arms:
        weights[a] += extra
    return weights


# --- policies ----------------------------------------------------------------------------------------------------------


def win_probabilities(means: Sequence[float] | F64, deviations: Sequence[float] | F64) -> list[float]:
    """P(arm is the largest) = ∫ φ_a ∏_{b≠a} Φ_b by scipy's adaptive Gauss-Kronrod rule between breakpoints of all arms.

    Arms of deviation 0 are steps: the largest wins where every other arm is below it, and steps that tie share.
    """
    m, s = np.asarray(means, dtype=np.float64), np.asarray(deviations, dtype=np.float64)
    moving = s > 0
    wins = np.zeros(len(m))
    start = -np.inf
    if not moving.all():
        start = m[~moving].max()
        tied = ~moving & (m == start)
        wins[tied] = np.exp(log_ndtr((start - m[moving]) / s[moving]).sum()) / tied.sum()
    if moving.any():
        wins[moving] = _integrated(m[moving], s[moving], start)
    return [float(win) for win in wins]


def win_probabilities_of_any_size(means: Sequence[float] | F64, deviations: Sequence[float] | F64) -> list[float]:
    """The same for numbers of any size: each arm's own integral over its z, with distances in extended precision.

    Gauss-Legendre rules of 20 nodes between the places where any arm's Φ bends.
    """
    m, s = np.asarray(means, dtype=np.longdouble), np.asarray(deviations, dtype=np.longdouble)
    moving = s > 0
    step = m[~moving].max(initial=-np.inf)
    wins = []
    with np.errstate(all="ignore"):
        for mean, deviation in zip(m, s, strict=True):
            if deviation == 0:
                tied = (~moving & (m == step)).sum()
                z = np.asarray((mean - m[moving]) / s[moving], dtype=np.float64)
                wins.append(float(np.exp(log_ndtr(z).sum()) / tied) if mean == step else 0.0)
                continue
            low = max(-9.5, float((step - mean) / deviation))
            others = moving.copy()
            others[len(wins)] = False
            bends = ((m[others, None] - mean) + np.arange(-9, 10) * s[others, None]) / deviation
            cuts = np.unique(np.concatenate([np.linspace(-9.5, 9.5, 20), np.asarray(bends, dtype=np.float64).ravel()]))
            wins.append(
                _own_integral(np.r_[low, cuts[(cuts > low) & (cuts <= 9.5)]], mean, deviation, m[others], s[others])
            )
    return [win / sum(wins) for win in wins]


def _own_integral(cuts: F64, mean: np.longdouble, deviation: np.longdouble, means: Any, deviations: Any) -> float:
    """∫ φ(z) ∏ Φ((mean + deviation z - means) / deviations) dz between the cuts."""
    places, weights = np.polynomial.legendre.leggauss(20)
    half = np.diff(cuts)[:, None] / 2
    z = (cuts[:-1, None] + half * (1 + places)).ravel()
    logs = -0.5 * z * z - 0.5 * np.log(2 * np.pi)
    for other, width in zip(means, deviations, strict=True):
        distances = (mean - other) + deviation * z.astype(np.longdouble)  # which numpy 1 would round to doubles
        logs = logs + log_ndtr(np.asarray(distances / width, dtype=np.float64))
    return float((half * weights).ravel() @ np.exp(logs))


def _integrated(means: F64, deviations: F64, start: float) -> F64:
    # Measured from the highest foot, nodes keep their digits where deviations are tiny beside the means.
    origin = max(float((means - 6 * deviations).max()), start)
    m = means - origin
    low = max(float((m - 10 * deviations).max()), start - origin)
    high = float((m + 10 * deviations).max())
    if low >= high:
        return np.zeros(len(m))
    cuts = (m[:, None] + np.array([-8, 0, 8]) * deviations[:, None]).ravel()
    points = np.unique(cuts[(cuts > low) & (cuts < high)])

    def densities(x: float) -> F64:
        z = (x - m) / deviations
        below = log_ndtr(z)
        own = -0.5 * z * z - np.log(deviations * np.sqrt(2 * np.pi))
        return np.asarray(np.exp(own + below.sum() - below))

    integral, _ = quad_vec(densities, low, high, epsabs=1e-10, epsrel=0, norm="max", quadrature="gk15", points=points)
    return np.asarray(integral)


def share_of_best(values: Sequence[float] | F64) -> list[float]:
    """All probability on the largest value, shared by ties."""
    best = max(values)
    near = [value >= best - TIE * abs(best) for value in values]
    return [float(tied) / sum(near) for tied in near]


# --- Beta arms and draws -----------------------------------------------------------------------------------------------


def beta_win_probabilities(alphas: Sequence[float] | F64, betas: Sequence[float] | F64) -> list[float]:
    """P(arm has the largest rate) = ∫ f_a ∏_{b≠a} F_b over log-odds, by adaptive Gauss-Kronrod between quantiles of all arms.

    F is scipy's incomplete beta function, and its first term α⁻¹ p^α / B where p or 1-p is below the smallest double.
    """
    a, b = np.asarray(alphas, dtype=np.float64), np.asarray(betas, dtype=np.float64)
    shares = (1e-13, 1e-9, 1e-5, 1e-2, 0.1, 0.5)
    lefts = np.array([_beta_quantile(share, a, b) for share in shares])
    rights = np.array([-_beta_quantile(share, b, a) for share in shares])
    low, high = float(lefts[0].max()), float(rights[0].max())
    cuts = np.unique(np.concatenate([lefts.ravel(), rights.ravel(), [0.0]]))

    def densities(u: float) -> F64:
        own = np.exp(a * special.log_expit(u) + b * special.log_expit(-u) - special.betaln(a, b))
        below = _beta_below(u, a, b)
        return np.array([own[arm] * np.prod(np.delete(below, arm)) for arm in range(len(a))])

    points = cuts[(cuts > low) & (cuts < high)]
    points = points[
        np.diff(points, prepend=low) > 1e-9
    ]  # of an interval of some bits quad_vec's error estimate overflows
    integral, _ = quad_vec(densities, low, high, epsabs=1e-9, epsrel=0, norm="max", quadrature="gk15", points=points)
    return [float(win) for win in integral]


def _beta_quantile(share: float, a: F64, b: F64) -> F64:
    rates = special.betaincinv(a, b, share)
    first_term = (np.log(share) + np.log(a) + special.betaln(a, b)) / a
    return np.where(rates < 1e-290, first_term, special.logit(np.maximum(rates, 1e-300)))


def _beta_below(u: float, a: F64, b: F64) -> F64:
    if u < -600:
        return np.asarray(np.exp(a * u - np.log(a) - special.betaln(a, b)))
    if u > 600:
        return np.asarray(1 - np.exp(-b * u - np.log(b) - special.betaln(a, b)))
    return np.asarray(
        special.betainc(a, b, special.expit(u)) if u < 0 else 1 - special.betainc(b, a, special.expit(-u))
    )


def beta_leader(alpha: float, beta: float, others_alpha: float, others_beta: float, n_others: int) -> float:
    """P(the rate of one arm is above those of many equal ones) = ∫ f F^n over log-odds."""
    a, b = np.array([alpha, others_alpha]), np.array([beta, others_beta])
    shares = (1e-13, 1e-5, 1e-2, 0.1, 0.5)
    cuts = [_beta_quantile(share, a, b) for share in shares] + [-_beta_quantile(share, b, a) for share in shares]
    points = np.unique(np.concatenate([*cuts, [0.0]]))
    points = points[np.isfinite(points)]  # a median whose rate rounds to 1 is at infinity

    def density(u: float) -> float:
        own = alpha * special.log_expit(u) + beta * special.log_expit(-u) - special.betaln(alpha, beta)
        return float(np.exp(own) * _beta_below(u, a, b)[1] ** n_others)

    integral, _ = quad_vec(
        density, points[0], points[-1], epsabs=1e-10, epsrel=0, quadrature="gk15", points=points[1:-1]
    )
    return float(integral)


def beta_duel(a: tuple[int, int], b: tuple[int, int]) -> Fraction:
    """P(the rate of ``a`` is above that of ``b``) for whole parameters, exactly.

    A Beta(α, β) below p is a binomial of α+β-1 trials with at least α successes (Abramowitz and Stegun, 26.5.24); the
    expectation of each term under the other Beta is a ratio of factorials.
    """
    trials = b[0] + b[1] - 1
    terms = (
        comb(trials, hits) * Fraction(_beta(a[0] + hits, a[1] + trials - hits), _beta(*a))
        for hits in range(b[0], trials + 1)
    )
    return sum(terms, Fraction(0))


def _beta(a: int, b: int) -> Fraction:
    return Fraction(factorial(a - 1) * factorial(b - 1), factorial(a + b - 1))


def win_frequencies(draws: F64, eligible: Mask) -> list[float]:
    """Share of the draws (m, k) that each eligible arm wins; ties share."""
    arms = [a for a in range(draws.shape[1]) if eligible[a]]
    wins = [0.0] * draws.shape[1]
    for draw_of_all in draws:
        for a, share in zip(arms, share_of_best([float(draw_of_all[a]) for a in arms]), strict=True):
            wins[a] += share / len(draws)
    return wins


# --- posteriors --------------------------------------------------------------------------------------------------------


class Weights(NamedTuple):
    """Posterior of the weights of each arm: ``means`` (k, d), ``precisions`` (k, d, d)."""

    means: F64
    precisions: F64


def linear_posterior(
    contexts: npt.ArrayLike,
    arms: npt.ArrayLike,
    rewards: npt.ArrayLike,
    prior_precision: npt.ArrayLike,
    prior_mean: npt.ArrayLike,
    noise_precision: float,
) -> Weights:
    """Bayesian linear regression of each arm, one impression after the other; ``prior_mean`` is (k, d)."""
    mu = np.asarray(prior_mean, dtype=np.float64)
    n_arms, d = mu.shape
    alpha = np.asarray(prior_precision, dtype=np.float64) * np.ones(d)
    precisions = np.zeros((n_arms, d, d))
    means = np.zeros((n_arms, d))
    for a in range(n_arms):
        gram, target = np.diag(alpha), alpha * mu[a]
        for x, arm, reward in zip(np.asarray(contexts), np.asarray(arms), np.asarray(rewards), strict=True):
            if arm == a:
                gram = gram + noise_precision * np.outer(x, x)
                target = target + noise_precision * reward * x
        precisions[a], means[a] = gram, np.linalg.inv(gram) @ target
    return Weights(means, precisions)


def moments(weights: Weights, context: npt.ArrayLike, arms: Sequence[int]) -> tuple[list[float], list[float]]:
    """Mean and deviation of the expected reward of each arm for one context (d,)."""
    x = np.asarray(context, dtype=np.float64)
    means = [float(x @ weights.means[a]) for a in arms]
    deviations = [float(np.sqrt(x @ np.linalg.inv(weights.precisions[a]) @ x)) for a in arms]
    return means, deviations


def beta_rates(
    titles: Sequence[int],
    takes: Sequence[float],
    impressions: Sequence[float],
    title_strength: float,
    catalogue_strength: float,
    arm_strength: float = 1.0,
    pessimism: float = 1.0,
) -> list[float]:
    """Posterior mean of each arm's take rate, shrunk to its title, the title to the catalogue (prior: 1 take in 20).

    ``arm_strength`` counts in segments only.
    """
    catalogue = (sum(takes) + 1) / (sum(impressions) + 20)
    rates = []
    for a, title in enumerate(titles):
        of_title = [b for b, other in enumerate(titles) if other == title]
        pulled = sum(takes[b] for b in of_title) + catalogue_strength * catalogue
        rate = pulled / (sum(impressions[b] for b in of_title) + catalogue_strength)
        rates.append((takes[a] + title_strength * pessimism * rate) / (impressions[a] + title_strength))
    return rates


# --- logistic and shared posteriors --------------------------------------------------------------------------------------


def log_posterior(
    rows: tuple[F64, F64, F64], prior_precision: F64, prior_mean: F64, at: F64
) -> tuple[float, list[float], list[list[float]]]:
    """Log posterior of one arm's logistic weights up to a constant, its gradient and its negative Hessian, row by row."""
    d = len(at)
    away = [float(at[p] - prior_mean[p]) for p in range(d)]
    value = -sum(float(prior_precision[p]) * away[p] ** 2 for p in range(d)) / 2
    gradient = [-float(prior_precision[p]) * away[p] for p in range(d)]
    hessian = [[float(prior_precision[p]) if p == q else 0.0 for q in range(d)] for p in range(d)]
    for x, r, weight in zip(*rows, strict=True):
        score = sum(float(x[p]) * float(at[p]) for p in range(d))
        value += weight * (r * float(log_expit(score)) + (1 - r) * float(log_expit(-score)))
        for p in range(d):
            gradient[p] += weight * (r - float(expit(score))) * x[p]
            for q in range(d):
                hessian[p][q] += weight * float(expit(score)) * float(expit(-score)) * x[p] * x[q]
    return value, gradient, hessian


def logistic_mode(rows: tuple[F64, F64, F64], prior_precision: F64, prior_mean: F64) -> F64:
    """Where the gradient of the log posterior is 0, by scipy's hybrid method: to the last bits, unlike its minimizers."""

    def gradient(w: F64) -> F64:
        return np.array(log_posterior(rows, prior_precision, prior_mean, w)[1])

    def curvature(w: F64) -> F64:
        return -np.array(log_posterior(rows, prior_precision, prior_mean, w)[2])

    found = root(gradient, prior_mean, jac=curvature, tol=1e-14)
    return np.asarray(found.x)


class Joint(NamedTuple):
    """Mean and covariance of all weights and intercepts together, and the row of each arm at a context."""

    mean: F64
    covariance: F64

    def at(self, context: F64, features: F64) -> tuple[F64, F64]:
        """Mean (A,) and covariance (A, A) of the expected rewards of all arms."""
        rows = np.stack([_joint_row(context, features, arm) for arm in range(len(features))])
        return rows @ self.mean, rows @ self.covariance @ rows.T


def _joint_row(context: F64, features: F64, arm: int) -> F64:
    shared = [float(x) * z for x in context for z in [1.0, *features[arm].tolist()]]
    return np.array(shared + [float(arm == other) for other in range(len(features))])


def shared_posterior(
    features: F64,
    log: tuple[F64, npt.NDArray[np.int64], F64],
    precisions: tuple[float, float, float],
    intercept_mean: F64,
) -> Joint:
    """Regression on (context x [1, artwork features], one indicator an arm) with a dense precision over all of them."""
    alpha, tau, beta = precisions
    n_arms, width = features.shape
    p = log[0].shape[1] * (width + 1)
    prior = np.array([alpha] * p + [tau] * n_arms)
    precision, target = np.diag(prior), prior * np.concatenate([np.zeros(p), intercept_mean])
    for x, arm, r in zip(*log, strict=True):
        row = _joint_row(x, features, int(arm))
        precision += beta * np.outer(row, row)
        target += beta * r * row
    covariance = np.linalg.inv(precision)
    return Joint(covariance @ target, covariance)


# --- sums of linear and beta evidence ----------------------------------------------------------------------------------


class LinearSums(NamedTuple):
    """Σ xxᵀ, Σ rx, impressions, Σ r², Σ x and Σ r of each arm, rounded once."""

    precision: F64
    information: F64
    counts: F64
    squares: F64
    sums: F64
    takes: F64


def linear_sums(contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike, n_arms: int) -> LinearSums:
    """The six sums, each entry by itself."""
    x, r = np.asarray(contexts, dtype=np.float64), np.asarray(rewards, dtype=np.float64)
    d = x.shape[1]
    out = LinearSums(*(np.zeros((n_arms, *rest)) for rest in ((d, d), (d,), (), (), (d,), ())))
    for a in range(n_arms):
        own = [i for i, arm in enumerate(np.asarray(arms)) if arm == a]
        out.counts[a] = len(own)
        out.squares[a], out.takes[a] = fsum(r[i] * r[i] for i in own), fsum(r[i] for i in own)
        for p in range(d):
            out.information[a, p], out.sums[a, p] = fsum(r[i] * x[i, p] for i in own), fsum(x[i, p] for i in own)
            for q in range(d):
                out.precision[a, p, q] = fsum(x[i, p] * x[i, q] for i in own)
    return out


def exact_weights(
    gram: npt.ArrayLike,
    information: npt.ArrayLike,
    prior_precision: npt.ArrayLike,
    prior_mean: npt.ArrayLike,
    noise_precision: float,
) -> tuple[list[float], list[list[float]]]:
    """Posterior mean (d,) and covariance (d, d) of one arm's weights, in fractions: no digit is lost to scale or collinearity."""
    alpha = [Fraction(value) for value in np.asarray(prior_precision, dtype=np.float64).tolist()]
    mu, b = (np.asarray(values, dtype=np.float64).tolist() for values in (prior_mean, information))
    beta = Fraction(noise_precision)
    d = len(alpha)
    rows = [[beta * Fraction(value) for value in row] for row in np.asarray(gram, dtype=np.float64).tolist()]
    for p in range(d):
        rows[p][p] += alpha[p]
        rows[p] += [Fraction(int(p == q)) for q in range(d)]
    for p in range(d):
        pivot = rows[p][p]
        rows[p] = [value / pivot for value in rows[p]]
        for q in range(d):
            if q != p:
                factor = rows[q][p]
                rows[q] = [value - factor * other for value, other in zip(rows[q], rows[p], strict=True)]
    covariance = [row[d:] for row in rows]
    target = [alpha[p] * Fraction(mu[p]) + beta * Fraction(b[p]) for p in range(d)]
    mean = [sum(value * wanted for value, wanted in zip(row, target, strict=True)) for row in covariance]
    return [float(value) for value in mean], [[float(value) for value in row] for row in covariance]


def beta_cells(
    titles: Sequence[int],
    takes: Sequence[Sequence[float]],
    impressions: Sequence[Sequence[float]],
    title_strength: float,
    catalogue_strength: float,
    arm_strength: float,
    pessimism: float,
) -> list[list[tuple[float, float]]]:
    """Both parameters of each arm in every segment, which shrinks to the arm as that does in ``beta_rates``."""
    total_takes, total_shown = ([sum(cells) for cells in zip(*sums, strict=True)] for sums in (takes, impressions))
    levels = beta_rates(titles, total_takes, total_shown, title_strength, catalogue_strength, arm_strength, pessimism)
    return [
        [
            (taken + arm_strength * level, shown - taken + arm_strength * (1 - level))
            for taken, shown, level in zip(taken_row, shown_row, levels, strict=True)
        ]
        for taken_row, shown_row in zip(takes, impressions, strict=True)
    ]


# --- rows --------------------------------------------------------------------------------------------------------------


class DecodedRow(NamedTuple):
    """A row's variant and its picks as (title index, arm, weight)."""

    variant: int
    picks: list[tuple[int, int, int]]


def decode_row(raw: bytes, user_id: str, generation: int, identity: str) -> DecodedRow:
    """Open a row byte by byte.

    Raises:
        ValueError: it is not this user's row of this generation.
    """
    flags, stated, checksum = (int.from_bytes(raw[a:b], "little") for a, b in ((4, 6), (6, 10), (12, 16)))
    if raw[:2] != b"AB" or (raw[2], flags & ~4) not in {(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (3, 3)}:
        raise ValueError(f"not a row of format 2 or 3: {raw[:6].hex()}")
    seeded = zlib.crc32(f"{identity}:{user_id}:".encode() + raw[:12] + raw[16:])
    if stated != generation or checksum != seeded:
        raise ValueError(f"generation {stated}, checksum {checksum:#x}, computed {seeded:#x}")
    return DecodedRow(raw[3], picks_of_row(raw))


def picks_of_row(raw: bytes) -> list[tuple[int, int, int]]:
    """(title index, arm, weight) of each pick of a row.

    Raises:
        ValueError: it has more bytes than its picks, or fewer.
    """
    count, body = int.from_bytes(raw[10:12], "little"), raw[16:]
    places = list(range(count))
    if raw[2] == 3:
        return _picks_of_two_bytes(body, count, raw[4])
    if raw[4] & 1:
        places = [body[2 * i] + 256 * body[2 * i + 1] for i in range(count)]
        body = body[2 * count :]
    if len(body) != 3 * count:
        raise ValueError(f"{len(body)} bytes for {count} picks")
    return [(places[i], body[3 * i], body[3 * i + 1] + 256 * body[3 * i + 2]) for i in range(count)]


def rows_of_file(path: Path) -> list[tuple[str, bytes]]:
    """(user_id, row) of a file of rows, number by number."""
    raw = path.read_bytes()
    if raw[:8] != b"ARTROWS1":
        raise ValueError(f"not a file of rows: {raw[:8]!r}")
    _, count, _, size = (int.from_bytes(raw[8 * at : 8 * at + 8], "little") for at in range(1, 5))
    rows, at = [], 40 + 7 * count
    if len(raw) != at + size:
        raise ValueError(f"{len(raw)} bytes for {count} rows of {size} bytes")
    for row in range(count):
        length = int.from_bytes(raw[40 + 4 * count + 2 * row : 42 + 4 * count + 2 * row], "little")
        end = at + raw[40 + 6 * count + row]
        rows.append((raw[at:end].decode(), raw[end : end + length]))
        at = end + length
    return rows


def _picks_of_two_bytes(body: bytes, count: int, flags: int) -> list[tuple[int, int, int]]:
    """Of format 3: the picks are the last bytes, what is before them are the gaps between their titles."""
    places: list[int] = []
    gap = 0
    codes = body[: len(body) - 2 * count]
    for code in codes:
        gap += code + 1 if code < 240 else 240 * (code - 239)
        if code < 240:
            places.append((places[-1] if places else -1) + gap)
            gap = 0
    if not flags & 1:
        places = list(range(count))
    if len(places) != count or gap or len(body) < 2 * count or (not flags & 1 and codes):
        raise ValueError(f"{len(body)} bytes for {count} picks, {len(places)} titles")
    words = [body[-2 * (count - i)] + 256 * body[-2 * (count - i) + 1] for i in range(count)]
    arms = 32 if flags & 2 else 16
    return [(place, word % arms, word // arms) for place, word in zip(places, words, strict=True)]


# --- a generation on disk ----------------------------------------------------------------------------------------------


class FileScores(NamedTuple):
    """Scores of k arms from the files of a generation: means and deviations on the posterior's scale, and what is beside them.

    ``betas`` are the arms' parameters where the posterior is a Beta, ``draws`` (m, k) where arms share weights.
    """

    means: list[float]
    deviations: list[float]
    link: str = "identity"
    betas: list[tuple[float, float]] | None = None
    draws: F64 | None = None


def split_of(seed: int, salt: str, count: int, user_id: str) -> int:
    """The place of a user's split among so many of equal size."""
    return absorbed("split", seed, salt, user_id) * count // 2**64


def chose_second(seed: int, salt: str, shares: Sequence[float], user_id: str, title_id: str) -> bool:
    """Whether the second of two interleaved variants chooses a title for a user."""
    share = shares[split_of(seed, salt, len(shares), user_id)]
    return Fraction(absorbed("interleave", seed, salt, user_id, title_id), 2**64) < Fraction(share)


def absorbed(purpose: str, seed: int, *texts: str) -> int:
    state = 0
    for word in (_word(purpose), seed, 0, *map(_word, texts)):
        state = _absorb(state, word)
    return state


def kept(p: Sequence[float], wins: Sequence[float], previous: int | None, share: float, margin: float) -> list[float]:
    """(1 - S)·p + S·[previous] where the previous arm wins at most the margin less often than the most frequent winner."""
    if previous is None or wins[previous] <= 0 or max(wins) - wins[previous] > margin + 1e-9:
        return list(p)
    return [(1 - share) * p[a] + share * (a == previous) for a in range(len(p))]


def weights_from_files(generation_folder: Path, user_row: int, title: int, previous: int | None = None) -> list[int]:
    """The full weight vector of a user (row of the contexts) and a title (place in the catalogue), from the files alone.

    ``previous`` is the arm that the user was shown before. Files are read once: those of a generation never change.
    """
    config, variant = _manifest(generation_folder)["config"], variant_of(generation_folder, user_row, title)
    arms, impressions = _arms_from_files(generation_folder, title)
    new = [impressions[a] < config["new_arm_impressions"] for a in arms]
    context = _context_from_files(generation_folder, user_row)
    p = _probabilities(generation_folder, variant, context, arms, impressions)
    if (
        variant.get("stickiness", 0) > 0
        and variant["policy"] != "uniform"
        and not explores(generation_folder, user_row)
    ):
        wins = _wins(_scores(generation_folder, variant, context, arms))
        p = kept(p, wins, previous, variant["stickiness"], variant["stickiness_margin"])
    return quantise(p, None, new, variant["floor"], variant["new_floor"], total_of(generation_folder))


def segment_weights_from_files(generation_folder: Path, place: int, title: int) -> list[int]:
    """The full weight vector of a segment and a title: a user of its context, who explores by what sets it apart alone.

    Popularity's where the model expects more of them.
    """
    config = _manifest(generation_folder)["config"]
    variant = config["variants"][0]
    contexts, users = (_column(generation_folder / "segments.parquet", name) for name in ("context", "users"))
    own = [np.array(context, dtype=np.float64) for context in contexts]
    everybody = sum((context * count for context, count in zip(own, users, strict=True)), np.zeros(len(own[0]))) / sum(
        users
    )
    arms, impressions = _arms_from_files(generation_folder, title)
    new = [impressions[a] < config["new_arm_impressions"] for a in arms]
    p = _probabilities(generation_folder, variant, own[place], arms, impressions, everybody)
    weights = quantise(p, None, new, variant["floor"], variant["new_floor"])
    if variant["policy"].partition(":")[0] in {"uniform", "popularity"}:
        return weights
    scores = _scores(generation_folder, variant, own[place], arms)
    rewards = [float(expit(mean)) if scores.link == "logit" else mean for mean in scores.means]
    popular = [int(_column(generation_folder / "catalogue.parquet", "popularity_weight")[a]) for a in arms]
    worth = [fsum(w * reward for w, reward in zip(of, rewards, strict=True)) for of in (weights, popular)]
    return weights if worth[0] >= worth[1] else popular


def total_of(generation_folder: Path) -> int:
    """What the weights of a decision add up to; generations of before do not say it."""
    return int(_manifest(generation_folder)["config"].get("total", TOTAL))


def explores(generation_folder: Path, user_row: int) -> bool:
    """Whether a user is of the share whose picks are drawn under uniform."""
    manifest = _manifest(generation_folder)
    config = manifest["config"]
    user = _column(generation_folder / "contexts" / "part-000000.parquet", "user_id")[user_row]
    drawn = keyed_hash("explore", config["seed"], manifest["generation"], user, "")
    return Fraction(drawn, 2**64) < Fraction(config["explore_share"])


def variant_of(generation_folder: Path, user_row: int, title: int | None = None) -> dict[str, Any]:
    """The variant that a user's picks are drawn under, or that of one title; for explore data the floors are the first one's."""
    config = _manifest(generation_folder)["config"]
    if explores(generation_folder, user_row):
        live = [variant for variant in config["variants"] if variant["name"] == "uniform"]
        return dict(live[0] if live else config["variants"][0] | {"name": "uniform", "policy": "uniform"})
    user = _column(generation_folder / "contexts" / "part-000000.parquet", "user_id")[user_row]
    if config.get("splits") and title is not None:
        title_id = list(dict.fromkeys(_column(generation_folder / "catalogue.parquet", "title_id")))[title]
        return dict(config["variants"][chose_second(config["seed"], config["salt"], config["splits"], user, title_id)])
    drawn = Fraction(keyed_hash("other", config["seed"], 0, user, config["salt"]), 2**64)  # of all generations alike
    upper = Fraction(0)
    for variant in reversed(config["variants"][1:]):
        upper += Fraction(variant["share"])
        if drawn < upper:
            return dict(variant)
    return dict(config["variants"][0])


def word_of(generation_folder: Path, user_row: int) -> str:
    """The policy that a user's picks are drawn under, as a word of the command line."""
    word: str = variant_of(generation_folder, user_row)["policy"]
    return word


def _arms_from_files(folder: Path, title: int) -> tuple[list[int], list[float]]:
    ids, impressions = (_column(folder / "catalogue.parquet", name) for name in ("title_id", "impressions"))
    wanted = list(dict.fromkeys(ids))[title]
    return [row for row, title_id in enumerate(ids) if title_id == wanted], impressions


def _nth(folder: Path, variant: dict[str, Any]) -> str:
    """What the names of files of a variant's reward end with."""
    rewards = list(dict.fromkeys(live["reward"] for live in _manifest(folder)["config"]["variants"]))
    return "" if variant["reward"] == rewards[0] else f"-{1 + rewards.index(variant['reward'])}"


def _scores(folder: Path, variant: dict[str, Any], context: F64, arms: list[int]) -> FileScores:
    if variant["policy"] == "popularity":
        return _beta_from_files(folder, arms, _nth(folder, variant))
    return _FROM_FILES[variant["posterior"]](folder, context, arms, _nth(folder, variant))


def _probabilities(
    folder: Path,
    variant: dict[str, Any],
    context: F64,
    arms: list[int],
    impressions: list[float],
    everybody: F64 | None = None,
) -> list[float]:
    """Scores are as if those of everybody's context were known for certain, where one is given."""
    name, _, text = variant["policy"].partition(":")
    settings = {key: float(value) for key, _, value in (item.partition("=") for item in text.split(",") if item)}
    k = len(arms)
    if name == "uniform":
        return [1 / k] * k
    scores = _scores(folder, variant, context, arms)
    if name == "popularity":
        return share_of_best(scores.means)
    if everybody is not None and scores.draws is not None:
        level = _scores(folder, variant, everybody, arms)
        assert level.draws is not None
        scores = scores._replace(draws=scores.draws - level.draws + np.array(level.means))
    elif everybody is not None:
        scores = scores._replace(deviations=_scores(folder, variant, context - everybody, arms).deviations)
    epsilon = settings.get("epsilon", 0.1)
    epsilon /= 1 + sum(impressions[a] for a in arms) / settings.get("halving", float("inf"))
    epsilon /= 1 + sum(impressions) / settings.get("total_halving", float("inf"))
    bounds = [m + settings.get("alpha", 1.0) * s for m, s in zip(scores.means, scores.deviations, strict=True)]
    return {
        "thompson": lambda: _wins(scores),
        "greedy": lambda: share_of_best(scores.means),
        "softmax": lambda: _softmax(scores, settings["temperature"]),
        "linucb": lambda: share_of_best(bounds),
        "epsilon_greedy": lambda: [epsilon / k + (1 - epsilon) * best for best in share_of_best(scores.means)],
    }[name]()


def _wins(scores: FileScores) -> list[float]:
    if scores.betas is not None:
        return _beta_wins(tuple(scores.betas))
    if scores.draws is None:
        return win_probabilities(scores.means, scores.deviations)
    best = [[float(value == max(row)) for value in row] for row in scores.draws.tolist()]
    return [sum(row[a] / sum(row) for row in best) / len(best) for a in range(len(scores.means))]


@lru_cache(maxsize=256)
def _beta_wins(betas: tuple[tuple[float, float], ...]) -> list[float]:
    return beta_win_probabilities([alpha for alpha, _ in betas], [beta for _, beta in betas])


def _softmax(scores: FileScores, temperature: float) -> list[float]:
    rewards = [float(expit(mean)) if scores.link == "logit" else mean for mean in scores.means]
    shares = [float(np.exp((reward - max(rewards)) / temperature)) for reward in rewards]
    return [share / sum(shares) for share in shares]


def _beta_from_files(folder: Path, arms: list[int], nth: str) -> FileScores:
    kept = _arrays(folder / "posterior" / f"beta{nth}.npz")
    titles, takes, shown = (kept[name].tolist() for name in ("titles", "takes", "impressions"))
    strengths = kept["strengths"].tolist()
    rates = _all_rates(folder, nth)
    # An arm's Beta counts its impressions and the title's strength; its mean is the shrunk rate.
    sizes = [shown[a] + strengths[0] for a in arms]
    assert len(titles) == len(takes) == len(rates)
    betas = [(rates[a] * size, (1 - rates[a]) * size) for a, size in zip(arms, sizes, strict=True)]
    deviations = [float(np.sqrt(s * f / (s + f + 1)) / (s + f)) for s, f in betas]
    return FileScores([rates[a] for a in arms], deviations, betas=betas)


@lru_cache(maxsize=8)
def _all_rates(folder: Path, nth: str) -> list[float]:
    kept = _arrays(folder / "posterior" / f"beta{nth}.npz")
    return beta_rates(
        *(kept[name].tolist() for name in ("titles", "takes", "impressions")), *kept["strengths"].tolist()
    )


def _linear_from_files(folder: Path, context: F64, arms: list[int], nth: str) -> FileScores:
    kept = _arrays(folder / "posterior" / f"linear{nth}.npz")
    precisions = np.array([np.diag(kept["prior_precision"])] * len(arms))
    means = np.zeros((len(arms), len(context)))
    for place, a in enumerate(arms):
        precisions[place] += kept["noise_precision"] * kept["precision"][a]
        target = kept["prior_precision"] * kept["prior_mean"][a] + kept["noise_precision"] * kept["information"][a]
        means[place] = np.linalg.solve(precisions[place], target)
    return FileScores(*moments(Weights(means, precisions), context, range(len(arms))))


def _logistic_from_files(folder: Path, context: F64, arms: list[int], nth: str) -> FileScores:
    kept = _arrays(folder / "posterior" / f"logistic{nth}.npz")
    weights = Weights(kept["means"], kept["precisions"])
    return FileScores(*moments(weights, context, arms), link="logit")


def _shared_from_files(folder: Path, context: F64, arms: list[int], nth: str) -> FileScores:
    """Draw by draw: W = mean + root · noise, and an intercept an arm given W: levels - pulls · W z + its own noise."""
    kept = _arrays(folder / "posterior" / f"shared{nth}.npz")
    seed, drawn = _shared_draws(folder, nth)
    draws, means = np.empty((len(drawn), len(arms))), []
    for place, a in enumerate(arms):
        moved, along = context - kept["pulls"][a], np.append(1.0, kept["features"][a])
        own = np.sqrt(kept["variances"][a]) * _philox(seed, 1, a, len(drawn))
        means.append(float(moved @ kept["mean"] @ along + kept["levels"][a]))
        for j in range(len(drawn)):
            draws[j, place] = moved @ drawn[j] @ along + kept["levels"][a] + own[j]
    return FileScores(means, [float(s) for s in draws.std(axis=0)], draws=draws)


@lru_cache(maxsize=8)
def _shared_draws(folder: Path, nth: str) -> tuple[int, list[F64]]:
    kept = _arrays(folder / "posterior" / f"shared{nth}.npz")
    manifest = _manifest(folder)
    seed = 0
    for word in (_word("joint"), manifest["config"]["seed"], manifest["generation"]):
        seed = _absorb(seed, word)
    count, root = int(kept["n_draws"]), kept["root"]
    noise = _philox(seed, 0, 0, count * len(root)).reshape(count, len(root))
    return seed, [kept["mean"] + (root @ noise[j]).reshape(kept["mean"].shape) for j in range(count)]


def _philox(seed: int, stream: int, arm: int, count: int) -> F64:
    bits = np.random.Philox(key=np.array([seed, stream], dtype=np.uint64), counter=[0, 0, 0, arm])
    return np.random.Generator(bits).standard_normal(count)


_FROM_FILES = {
    "beta": lambda folder, _, arms, nth: _beta_from_files(folder, arms, nth),
    "linear": _linear_from_files,
    "logistic": _logistic_from_files,
    "shared": _shared_from_files,
}


def _context_from_files(folder: Path, user_row: int) -> F64:
    return np.array(_column(folder / "contexts" / "part-000000.parquet", "context")[user_row], dtype=np.float64)


@lru_cache(maxsize=8)
def _manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return manifest


@lru_cache(maxsize=8)
def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@lru_cache(maxsize=8)
def _column(path: Path, name: str) -> list[Any]:
    return pl.read_parquet(path, columns=[name])[name].to_list()


# --- items that retire, rewards that are late ----------------------------------------------------------------------------


class Stream:
    """Numbers of a key: the hash of (key, 0), (key, 1), ..., on the midpoints of 2⁵² cells of (0, 1)."""

    def __init__(self, key: int) -> None:
        self.key, self.count = key, 0

    def uniform(self) -> float:
        word = _absorb(self.key, self.count)
        self.count += 1
        return (word // 2**12 + 0.5) / 2**52

    def beta(self, a: float, b: float) -> float:
        """A draw from Beta(a, b) with a, b >= 1: inversion where one is 1, else Cheng (1978), algorithm BB, in his letters."""
        if not (a >= 1 and b >= 1 and a + b < 2e149):
            return float("nan")
        if b == 1:
            return float(self.uniform() ** (1 / a))
        if a == 1:
            return float(1 - self.uniform() ** (1 / b))
        a0, b0 = sorted((a, b))
        alpha = a0 + b0
        beta = np.sqrt((alpha - 2) / (2 * a0 * b0 - alpha))
        gamma = a0 + 1 / beta
        while True:
            u1, u2 = self.uniform(), self.uniform()
            v = beta * np.log(u1 / (1 - u1))
            w = a0 * np.exp(v)
            if alpha * np.log(alpha / (b0 + w)) + gamma * v - np.log(4) >= np.log(u1 * u1 * u2):
                return float((w if a == a0 else b0) / (b0 + w))


class Item:
    """One item: its rate, the step that it came at, and the rewards of it that have arrived."""

    def __init__(self, rate: float, born: int) -> None:
        self.rate, self.born, self.rewards = rate, born, list[bool]()


def chapelle_li(
    policy: str,
    reading: str,
    delay: int,
    rates: Sequence[float],
    replacements: dict[int, tuple[int, float]],
    uniforms: Sequence[float],
    key: int,
) -> list[tuple[int, bool, float]]:
    """Arm, take and regret of each step; ``replacements`` maps a step to the arm that retires and the rate that comes."""
    stream = Stream(key)
    there = [Item(rate, 0) for rate in rates]
    believed = list(there)
    shown = list[tuple[Item, bool]]()
    steps = list[tuple[int, bool, float]]()
    for t, uniform in enumerate(uniforms):
        if t in replacements:
            arm, rate = replacements[t]
            there[arm] = Item(rate, t)
        if reading != "refits" or t % delay == 0:
            believed = list(there)
        for s, (item, take) in enumerate(shown):
            if s == t - delay if reading == "each" else (t % delay == 0 and s // delay == t // delay - 1):
                item.rewards.append(take)
        if policy == "thompson":
            values = [stream.beta(1 + sum(i.rewards), 1 + len(i.rewards) - sum(i.rewards)) for i in believed]
        else:
            values = [_upper_bound(item, t) for item in believed]
        arm = values.index(max(values))
        take = uniform < there[arm].rate
        shown.append((there[arm], take))
        steps.append((arm, take, max(item.rate for item in there) - there[arm].rate))
    return steps


def _upper_bound(item: Item, t: int) -> float:
    """k/m + √(2 (k/m) log(1/δ) / m) + 2 log(1/δ) / m with δ = √(1/age), infinite for an item without rewards."""
    m, k = len(item.rewards), sum(item.rewards)
    if m == 0:
        return float("inf")
    width = np.log(1 / np.sqrt(1 / (t - item.born + 1))) / m
    return float(k / m + np.sqrt(2 * k / m * width) + 2 * width)
