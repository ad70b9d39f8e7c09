"""Which user gets which variant: by keyed hashes, exclusive inside a layer, independent across layers.

The layer of picks is assigned by generations (``batch.choosing.variants``). Every other layer is assigned here, for changes
outside of the choice of artwork.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import Final, NamedTuple

import numpy as np

from bandit.arrays import F64, I64
from bandit.errors import InputError
from bandit.hashing import hash_ids, hash_title, hash_users
from bandit.snapshot import VARIANT, id64
from batch.choosing.variants import variants_of
from batch.experiments.plans.plan import PICKS, WORKSPACE, Plan

NOBODY: Final = -1
"""The place of users who are not in an experiment: outside its slice of the layer, or held back."""

_LAYER, _HOLDBACK, _EXPERIMENT = "layer:", "holdback", "experiment:"
_ROUNDING: Final = 1e-12


class Piece(NamedTuple):
    """Users whose place lies below ``stop`` and not below the piece before, and their variant."""

    stop: float
    variant: str


def assigned(plan: Plan, users: Iterable[str], history: Sequence[Mapping[str, float]] = (), seed: int = 0) -> I64:
    """The place among the variants that each user is assigned to, ``NOBODY`` for those who are not in it, (n,).

    Args:
        plan: of the experiment.
        users: their ids.
        history: the shares of all versions that were registered, from the first on: new shares move as few users as possible.
        seed: of the generations, which in the layer of picks says who gets which variant.

    Raises:
        InputError: it is an interleaving, whose users have both variants.
    """
    if plan.splits:
        raise InputError(
            f"experiment {plan.name} is an interleaving: every user has both variants, each for some titles;"
            " `artwork explain` says which chose a title"
        )
    hashed = hash_ids(users)
    if plan.source == WORKSPACE and plan.layer == PICKS:
        config = plan.config
        return variants_of(type(config)(config.variants, seed=seed, salt=config.salt), hashed).astype(np.int64)
    in_layer = _places(hashed, _LAYER + plan.layer)
    inside = (plan.traffic[0] <= in_layer) & (in_layer < plan.traffic[1])
    if plan.holdback > 0:  # one hash for all experiments: whoever is held back is held back from all of them
        inside &= _places(hashed, _HOLDBACK) >= plan.holdback
    pieces = allocation([*history, plan.shares] if not history or history[-1] != plan.shares else history)
    stops = np.array([piece.stop for piece in pieces[:-1]])
    own = np.array([plan.names.index(piece.variant) for piece in pieces])
    variants = own[np.searchsorted(stops, _places(hashed, _EXPERIMENT + plan.key), side="right")]
    return np.where(inside, variants, NOBODY).astype(np.int64)


def held_back(plan: Plan, users: Iterable[str]) -> I64:
    """0 for users who are held back from the experiment, 1 for the others of its slice, ``NOBODY`` for everyone else, (n,)."""
    hashed = hash_ids(users)
    in_layer = _places(hashed, _LAYER + plan.layer)
    inside = (plan.traffic[0] <= in_layer) & (in_layer < plan.traffic[1])
    is_free = _places(hashed, _HOLDBACK) >= plan.holdback
    return np.where(inside, is_free.astype(np.int64), NOBODY).astype(np.int64)


def allocation(history: Sequence[Mapping[str, float]]) -> list[Piece]:
    """Who has which part of [0, 1), after shares were changed from version to version.

    Variants that lose users give up the ends of their last pieces, those that gain take them, in order. So a change moves the
    share of users that it has to, which is half of the sum of all changes, and nobody else.

    >>> allocation([{"a": 0.5, "b": 0.5}, {"a": 0.25, "b": 0.75}])
    [Piece(stop=0.25, variant='a'), Piece(stop=1.0, variant='b')]
    """
    pieces: list[tuple[float, str]] = [(share, name) for name, share in history[0].items()]
    for shares in history[1:]:
        pieces = _reallocated(pieces, shares)
    stops = np.cumsum([length for length, _ in pieces])
    merged: list[Piece] = []
    for stop, (_, name) in zip(stops.tolist(), pieces, strict=True):
        if merged and merged[-1].variant == name:
            merged[-1] = Piece(stop, name)
        else:
            merged.append(Piece(stop, name))
    return [*merged[:-1], Piece(1.0, merged[-1].variant)]


def _reallocated(pieces: list[tuple[float, str]], shares: Mapping[str, float]) -> list[tuple[float, str]]:
    names = {name for _, name in pieces}
    held = {name: fsum(length for length, owner in pieces if owner == name) for name in names}
    excess = {name: max(0.0, held[name] - shares.get(name, 0.0)) for name in names}
    wanted = {name: share - held.get(name, 0.0) for name, share in shares.items()}
    wanted = {name: share for name, share in wanted.items() if share > _ROUNDING}
    made: list[tuple[float, str]] = []
    for length, name in reversed(pieces):
        left, handed = length, list[tuple[float, str]]()
        for taker in list(wanted):
            part = min(left, excess[name], wanted[taker])
            if part <= _ROUNDING:
                continue
            handed.append((part, taker))
            left, excess[name], wanted[taker] = left - part, excess[name] - part, wanted[taker] - part
        made += [*handed, *([(left, name)] if left > _ROUNDING else [])]
    return made[::-1]


def overlap_of(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float] | None:
    """The part of a layer that two slices share; None where they share none."""
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if high - low > _ROUNDING else None


def _places(hashed: np.ndarray, key: str) -> F64:
    """A number in [0, 1) for each user, another one for each key."""
    keyed = hash_title(hash_users(VARIANT, 0, 0, hashed), np.uint64(id64(key)))
    return (keyed >> np.uint64(11)).astype(np.float64) * 2.0**-53
