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
from math import floor as whole_part
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.integrate import quad_vec
from scipy.special import log_ndtr

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


def draw(weights: Sequence[int], hashed: int) -> int:
    """The smallest arm whose cumulative weight is above ⌊h·65535/2⁶⁴⌋."""
    point = whole_part(Fraction(hashed * TOTAL, 2**64))
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
) -> list[int]:
    """w = 1 + largest remainder of p̃·(65535-k); without "+1" and with 65535 when φ = 0."""
    arms = [a for a in range(len(p)) if eligible is None or eligible[a]]
    extra = 1 if floor > 0 else 0
    units = TOTAL - extra * len(arms)
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
    near = [value >= best - TIE * max(abs(v) for v in values) for value in values]
    return [float(tied) / sum(near) for tied in near]


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
) -> list[float]:
    """Posterior mean of each arm's take rate, shrunk to its title, the title to the catalogue (prior: 1 take in 20)."""
    catalogue = (sum(takes) + 1) / (sum(impressions) + 20)
    rates = []
    for a, title in enumerate(titles):
        of_title = [b for b, other in enumerate(titles) if other == title]
        pulled = sum(takes[b] for b in of_title) + catalogue_strength * catalogue
        rate = pulled / (sum(impressions[b] for b in of_title) + catalogue_strength)
        rates.append((takes[a] + title_strength * rate) / (impressions[a] + title_strength))
    return rates


# --- rows --------------------------------------------------------------------------------------------------------------


class DecodedRow(NamedTuple):
    """A row's policy number and its picks as (title index, arm, weight)."""

    policy: int
    picks: list[tuple[int, int, int]]


def decode_row(raw: bytes, user_id: str, generation: int) -> DecodedRow:
    """Open a row byte by byte.

    Raises:
        ValueError: it is not this user's row of this generation.
    """
    flags, count, stated, checksum = (
        int.from_bytes(raw[a:b], "little") for a, b in ((4, 6), (6, 8), (8, 12), (12, 16))
    )
    if raw[:2] != b"AB" or raw[2] != 1 or flags > 1:
        raise ValueError(f"not a row of format 1: {raw[:6].hex()}")
    seeded = zlib.crc32(f"{generation}:{user_id}:".encode() + raw[:12] + raw[16:])
    if stated != generation or checksum != seeded:
        raise ValueError(f"generation {stated}, checksum {checksum:#x}, computed {seeded:#x}")
    body = raw[16:]
    places = list(range(count))
    if flags == 1:
        places = [body[2 * i] + 256 * body[2 * i + 1] for i in range(count)]
        body = body[2 * count :]
    if len(body) != 3 * count:
        raise ValueError(f"{len(body)} bytes for {count} picks")
    return DecodedRow(raw[3], [(places[i], body[3 * i], body[3 * i + 1] + 256 * body[3 * i + 2]) for i in range(count)])


# --- a generation on disk ----------------------------------------------------------------------------------------------


def weights_from_files(generation_folder: Path, user_row: int, title: int) -> list[int]:
    """The full weight vector of a user (row of the contexts) and a title (place in the catalogue), from the files alone.

    Files are read once: those of a generation never change.
    """
    config = json.loads((generation_folder / "manifest.json").read_text(encoding="utf-8"))["config"]
    ids = _column(generation_folder / "catalogue.parquet", "title_id")
    wanted = list(dict.fromkeys(ids))[title]
    arms = [row for row, title_id in enumerate(ids) if title_id == wanted]
    impressions = _arrays(generation_folder / "posterior" / "beta.npz")["impressions"].tolist()
    new = [impressions[a] < config["new_arm_impressions"] for a in arms]
    p = _probabilities(generation_folder, config["policy"], user_row, arms, sum(impressions[a] for a in arms))
    return quantise(p, None, new, config["floor"], config["new_floor"])


def _probabilities(folder: Path, policy: str, user_row: int, arms: list[int], impressions: float) -> list[float]:
    name, _, text = policy.partition(":")
    settings = {key: float(value) for key, _, value in (item.partition("=") for item in text.split(",") if item)}
    k = len(arms)
    if name == "uniform":
        return [1 / k] * k
    if name == "popularity":
        rates = _rates_from_files(folder)
        return share_of_best([rates[a] for a in arms])
    means, deviations = _moments_from_files(folder, user_row, arms)
    if name == "thompson":
        return win_probabilities(means, deviations)
    if name == "greedy":
        return share_of_best(means)
    if name != "epsilon_greedy":
        raise ValueError(f"no naive twin of the policy {name}")
    epsilon = settings.get("epsilon", 0.1) / (1 + impressions / settings.get("halving", float("inf")))
    return [epsilon / k + (1 - epsilon) * best for best in share_of_best(means)]


def _rates_from_files(folder: Path) -> list[float]:
    kept = _arrays(folder / "posterior" / "beta.npz")
    return beta_rates(
        *(kept[name].tolist() for name in ("titles", "takes", "impressions")), *kept["strengths"].tolist()
    )


def _moments_from_files(folder: Path, user_row: int, arms: list[int]) -> tuple[list[float], list[float]]:
    context = np.array(_column(folder / "contexts" / "part-000000.parquet", "context")[user_row])
    kept = _arrays(folder / "posterior" / "linear.npz")
    precisions = np.array([np.diag(kept["prior_precision"])] * len(arms))
    means = np.zeros((len(arms), len(context)))
    for place, a in enumerate(arms):
        precisions[place] += kept["noise_precision"] * kept["precision"][a]
        target = kept["prior_precision"] * kept["prior_mean"][a] + kept["noise_precision"] * kept["information"][a]
        means[place] = np.linalg.solve(precisions[place], target)
    return moments(Weights(means, precisions), context, range(len(arms)))


@lru_cache(maxsize=8)
def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@lru_cache(maxsize=8)
def _column(path: Path, name: str) -> list[Any]:
    return pl.read_parquet(path, columns=[name])[name].to_list()
