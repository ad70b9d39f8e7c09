"""The overlay (``art:catalogue``): what came to the catalogue and what left it since a generation was made.

A revision holds all that was ever retired, so that one value says everything, and its number only grows.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bandit.errors import InputError
from bandit.snapshot.checks import Fields, are_different, shown
from bandit.snapshot.keys import is_id

MAX_REVISION: Final = (1 << 32) - 1
MAX_OVERLAY_BYTES: Final = 1 << 20
"""Some 40,000 artworks with ids of 20 characters. A service reads it with every poll."""

_REMEDY: Final = "run `artwork publish`, which writes it again"


@dataclass(frozen=True)
class Overlay:
    """One revision: the artworks that are retired, by title and sorted, and the default artwork of each added title.

    ``added`` answers for a title of which a generation has no artwork left, or never had one.
    """

    revision: int = 0
    retired: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)


NO_OVERLAY: Final = Overlay()


def encode_overlay(overlay: Overlay) -> bytes:
    """An overlay as canonical JSON: sorted keys, no spaces.

    Raises:
        RowError: a reader would refuse it; reason "overlay".
    """
    plain = {
        "revision": overlay.revision,
        "retired": {title_id: sorted(artworks) for title_id, artworks in overlay.retired.items()},
        "added": dict(overlay.added),
    }
    raw = json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
    decode_overlay(raw)
    return raw


def decode_overlay(raw: bytes) -> Overlay:
    """Read and check an overlay.

    Raises:
        RowError: reason "overlay"; it is not what the job writes.
    """
    fields = Fields(raw, "art:catalogue", "overlay", MAX_OVERLAY_BYTES, _REMEDY)
    revision = fields.integer("revision", 0, MAX_REVISION)
    retired, added = fields.members("retired"), fields.members("added")
    for title_id, artworks in retired.items():
        if not (is_id(title_id) and _are_artworks(artworks)):
            raise fields.wrong(f"retires {shown(artworks)} of title {shown(title_id)}, expected ids of artworks")
    for title_id, artwork_id in added.items():
        if not (is_id(title_id) and isinstance(artwork_id, str) and is_id(artwork_id)):
            raise fields.wrong(f"adds title {shown(title_id)} with {shown(artwork_id)}, expected the id of an artwork")
        if artwork_id in retired.get(title_id, ()):
            raise fields.wrong(f"adds title {title_id} with artwork {artwork_id}, which it retires")
    if not revision and (retired or added):
        raise fields.wrong("has revision 0, which stands for no overlay, and retires or adds something")
    return Overlay(revision, {title_id: tuple(sorted(artworks)) for title_id, artworks in retired.items()}, added)


def remaining_weights(weights: Sequence[int], retired_arms: Collection[int]) -> tuple[tuple[int, ...], int]:
    """The weights of a fallback without those of retired arms, and what they add up to.

    An arm is drawn as the smallest ``a`` with ``cumsum(weights)[a] > floor(hash * total / 2**64)``, and has the propensity
    ``weights[a] / total``. Where the total is 0, ``remaining_default`` answers alone.

    >>> remaining_weights([10, 20, 5], {1})
    ((10, 0, 5), 15)
    """
    remaining = tuple(0 if arm in retired_arms else weight for arm, weight in enumerate(weights))
    return remaining, sum(remaining)


def remaining_default(n_arms: int, default: int, retired_arms: Collection[int]) -> int:
    """The default arm of a title, or the lowest that remains where it is retired; its propensity is 1.

    Raises:
        InputError: none remains.

    >>> remaining_default(3, 1, {1}), remaining_default(3, 1, {0})
    (0, 1)
    """
    if default not in retired_arms:
        return default
    for arm in range(n_arms):
        if arm not in retired_arms:
            return arm
    raise InputError(f"all {n_arms} artworks of a title are retired; the overlay's added artwork answers for it")


def _are_artworks(artworks: Any) -> bool:
    return isinstance(artworks, list) and bool(artworks) and are_different(artworks, is_id)
