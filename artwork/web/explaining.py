"""Why this one: an explanation with the draw step by step, the user's features in words, and the truth where it is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from artwork.web.truth import Truth
from artwork.web.words import feature_words
from bandit.snapshot import DRAW, FALLBACK, keyed_hash, remaining_weights
from batch.choosing.explanation import Explanation
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.workspace import Workspace


@dataclass(frozen=True)
class Draw:
    """How the artwork was drawn: the first whose cumulated weight is above ``point`` = ⌊hash · total / 2⁶⁴⌋.

    ``purpose`` is that of the keyed hash: ``draw`` of a pick, ``fallback`` of an answer from popularity. ``weights`` and
    ``cumulative`` are of the title's artworks in the generation, retired ones of a fallback with weight 0.
    """

    purpose: str
    hash: str
    total: int
    point: int
    weights: Sequence[int]
    cumulative: Sequence[int]


@dataclass(frozen=True)
class Feature:
    """A feature of the user's context in words, and what it adds to the score of the artwork that is shown."""

    words: str
    value: float
    contribution: float


def told(workspace: Workspace, made: Explanation, truth: Truth | None) -> dict[str, Any]:
    """An explanation as plain values, with ``truth``, ``best``, ``features`` and ``draw``."""
    rates = None if truth is None else truth.take_rates(made.user_id, made.title_id)
    plain = {item.name: getattr(made, item.name) for item in fields(made)}
    return plain | {
        "truth": rates,
        "best": _best(rates, made.retired),
        "features": _features(made),
        "draw": draw_of(workspace, made),
    }


def draw_of(workspace: Workspace, made: Explanation) -> Draw | None:
    """The draw of what is shown; None where there was nothing to draw from."""
    manifest = read_manifest(workspace, made.generation)
    weights: Sequence[int]
    if made.source == "personalized":
        purpose, weights, total = DRAW, [artwork.weight for artwork in made.artworks], manifest.row_format.total
    elif made.source == "popularity":
        catalogue = Catalogue.read(folder_of(workspace, made.generation) / "catalogue.parquet").frame
        own = catalogue.filter(catalogue["title_id"] == made.title_id)
        gone = {arm for arm, artwork_id in enumerate(own["artwork_id"]) if artwork_id in made.retired}
        purpose = FALLBACK
        weights, total = remaining_weights(own["popularity_weight"].to_list(), gone)
    else:
        return None
    hashed = keyed_hash(purpose, manifest.config.seed, made.generation, made.user_id, made.title_id)
    cumulative = [sum(weights[: arm + 1]) for arm in range(len(weights))]
    return Draw(purpose, f"0x{hashed:016x}", total, (hashed * total) >> 64, list(weights), cumulative)


def _best(rates: Mapping[str, float] | None, retired: Sequence[str]) -> str | None:
    """The artwork of the largest expected take rate among those that can be shown."""
    open_ones = {name: rate for name, rate in (rates or {}).items() if name not in retired}
    return max(open_ones, key=lambda name: open_ones[name]) if open_ones else None


def _features(made: Explanation) -> list[Feature]:
    parts = next((artwork.contributions for artwork in made.artworks if artwork.artwork_id == made.shown), [])
    return [Feature(feature_words(part.feature, part.value), part.value, part.contribution) for part in parts]
