"""Other ways to keep the picks of the same users: what each takes, and what it gives up."""

from dataclasses import dataclass
from typing import Final

from artwork.size.estimates import Estimate
from artwork.size.measured import Hashed
from artwork.size.wanted import Wanted, gap_bytes, row_bytes
from bandit.snapshot import FORMAT_2, HEADER_BYTES, MAX_ROW_BYTES

FEATURES: Final = 16
"""Of a context, 4 bytes each."""
SHORTLIST: Final = 100
_BITS: Final = 8


@dataclass(frozen=True)
class Design:
    """``bytes_per_user`` in the store with everything, ``gigabytes`` of a generation, and what one gives up with it.

    ``beside`` is by which share a generation is larger (+) or smaller (-) than what was asked for.
    """

    name: str
    row_bytes: float
    bytes_per_user: float
    gigabytes: float
    beside: float
    gives_up: str


def designs(wanted: Wanted, bytes_each: Estimate, commonest: float, hashed: Hashed) -> list[Design]:
    """What was asked for, then others for the same users and titles.

    The overhead of a row (key, tables, allocator) is that of the row that was asked for, and in hashes what was measured there.

    Args:
        wanted: by the user.
        bytes_each: in the store, per user.
        commonest: the share of picks that are the commonest of their title and segment.
        hashed: what a row takes in a hash of several users, beside its bytes.
    """
    overhead = bytes_each.value - wanted.row_bytes
    form, titles, picks = wanted.form, wanted.titles, wanted.picks_per_user

    def made(name: str, row: float, gives_up: str, beside: float = overhead) -> Design:
        each = row + beside
        return Design(name, row, each, each * wanted.users / 1e9, each / bytes_each.value - 1, gives_up)

    dense = float(HEADER_BYTES + titles * form.pick_bytes)
    too_long = f"; refused, since a row has at most {MAX_ROW_BYTES:,} bytes" if dense > MAX_ROW_BYTES else ""
    whole = made("a pick for every title", dense, f"memory, and a network that carries the row{too_long}")
    shortlist = min(SHORTLIST, titles) if wanted.is_dense else picks
    short = made(
        f"a shortlist of {shortlist:,} titles per user",
        row_bytes(form, titles, shortlist),
        "other titles get the fallback, and somebody has to make the shortlist",
    )
    own = whole if wanted.is_dense else short
    others = [short if wanted.is_dense else whole] if shortlist < titles else []
    rest = 1 - commonest
    exceptions = max(1, round(picks * rest))
    listed = HEADER_BYTES + exceptions * form.pick_bytes + gap_bytes(titles, exceptions)
    titles_bytes = row_bytes(form, titles, picks) - HEADER_BYTES - picks * form.pick_bytes
    weight_bits = form.pick_bytes * _BITS - form.arm_bits
    marked = HEADER_BYTES + titles_bytes + picks * (1 + weight_bits + rest * form.arm_bits) / _BITS
    largest = f"{(wanted.row_bytes + hashed.overhead) * hashed.users / 1000:,.1f}"
    return [
        own,
        *others,
        made("the same in row format 2", row_bytes(FORMAT_2, titles, picks), "bytes, for weights out of 65,535"),
        made(
            f"segments' defaults, and the {rest:.0%} that differ",
            listed,
            "the propensity of every pick that is the default, without which a log cannot judge a policy",
        ),
        made(
            "the same with every propensity kept: a bit says default",
            marked,
            "picks at whole bytes: a look-up has to walk through bits",
        ),
        made(
            f"hashes of {hashed.users} users",
            wanted.row_bytes,
            f"look-ups in constant time: a hash of {largest} KB is walked through, and a setting of every node has to allow it",
            hashed.overhead,
        ),
        made(
            f"the {FEATURES} numbers of the context alone",
            HEADER_BYTES + 4.0 * FEATURES,
            "a service without numpy: it would hold the posterior, and score and draw at each look-up",
        ),
    ]
