"""Some decisions of a day with the weights that they were drawn by, computed again from the files of a generation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, I64
from bandit.errors import InputError
from bandit.hashing import hash_ids
from bandit.scores import expected_rewards
from bandit.snapshot import hash_base
from batch.choosing.chooser import USERS_A_PRODUCT, Chooser
from batch.linear_algebra import in_one_thread
from batch.workspace.impressions import scan_impressions
from batch.workspace.previous_picks import NONE

BLOCKS: Final = 8
"""Users are looked at by blocks that are scored together, so many of them."""

TITLES: Final = 100
"""Titles that are looked at, the same every night: so many blocks and titles take about two seconds."""

_PURPOSE: Final = "monitor"


class Decided(NamedTuple):
    """n decisions: their places in the rows, their title in the catalogue, and the probabilities of its arms (n, K).

    Probabilities are those of a generation, before artworks were retired; ``expected`` rewards (n, K) are those of its first
    variant's model. K is the largest number of arms, and 0 stands where there are none. ``unkept`` are probabilities without
    stickiness.
    """

    rows: I64
    titles: I64
    probabilities: F64
    expected: F64
    unkept: F64


def sampled_users(chooser: Chooser, seed: int) -> tuple[pl.DataFrame, list[int]]:
    """The users of some blocks: user_id and place; and the blocks."""
    random = np.random.default_rng([hash_base(_PURPOSE, seed, 0)])
    count = -(-chooser.users.count // USERS_A_PRODUCT)
    blocks = sorted(random.choice(count, min(count, BLOCKS), replace=False).tolist())
    frames = [
        chooser.users.ids(block * USERS_A_PRODUCT, USERS_A_PRODUCT)
        .to_frame()
        .select("user_id", place=block * USERS_A_PRODUCT + pl.int_range(pl.len(), dtype=pl.Int64))
        for block in blocks
    ]
    return pl.concat(frames), blocks


def sampled_titles(chooser: Chooser) -> list[str]:
    """The titles that are looked at: those of the smallest hashes, whatever else comes or goes."""
    order = np.argsort(hash_ids(chooser.catalogue.title_ids))[:TITLES]
    return [chooser.catalogue.title_ids[place] for place in np.sort(order).tolist()]


def read_decisions(
    files: list[Path],
    users: pl.DataFrame,
    titles: Sequence[str],
    columns: Sequence[str] = (),
    generation: int | None = None,
) -> pl.DataFrame:
    """The picks that a day's log shows of some users and titles, one row a decision: its first impression.

    Args:
        files: of the day.
        users: by user_id.
        titles: their ids.
        columns: of the log, beside those that name a decision.
        generation: that drew; None takes all.
    """
    decision = ["user_id", "title_id", "generation"]
    return (
        scan_impressions(files)
        .filter(pl.col("source") == "personalized", pl.col("title_id").is_in(list(titles)))
        .filter(pl.col("eligible").list.len() > 1, True if generation is None else pl.col("generation") == generation)
        .join(users.lazy().select("user_id"), on="user_id", how="semi")
        .select(*dict.fromkeys([*decision, *columns]), "event_id")
        .collect(engine="streaming")
        .sort(*decision, "event_id")
        .unique(decision, keep="first", maintain_order=True)
    )


def probabilities_of(chooser: Chooser, rows: pl.DataFrame, users: pl.DataFrame) -> Decided:
    """The probabilities of a generation for decisions by user_id and title_id, of those that it knows.

    Where it keeps picks of a generation whose files are gone or have changed, it knows none. Users are scored by whole products,
    as they were when picks were drawn.
    """
    titles = pl.DataFrame({"title_id": chooser.catalogue.title_ids}).with_columns(
        title=pl.int_range(pl.len(), dtype=pl.Int64)
    )
    known = (
        rows.select("user_id", "title_id", row=pl.int_range(pl.len(), dtype=pl.Int64))
        .join(users, on="user_id", how="inner")
        .join(titles, on="title_id", how="inner")
        .sort("place", "title", "row")
    )
    row, title, place = (known[name].to_numpy() for name in ("row", "title", "place"))
    out = np.zeros((len(row), int(np.diff(chooser.catalogue.starts).max(initial=0))))
    expected, unkept = np.zeros_like(out), np.zeros_like(out)
    try:
        shown = chooser.previous_at(known["user_id"], title)
    except InputError:
        return Decided(row[:0], title[:0], out[:0], expected[:0], unkept[:0])
    tables = [(unkept, False), (out, True)] if chooser.manifest.previous else [(out, False)]
    blocks = place // USERS_A_PRODUCT
    with in_one_thread():
        for block in np.unique(blocks).tolist():
            first = block * USERS_A_PRODUCT
            count = min(USERS_A_PRODUCT, chooser.users.count - first)
            contexts, places = chooser.padded_contexts(first, count), chooser.padded_places(first, count)
            own = np.flatnonzero(blocks == block)
            for number in np.unique(title[own]).tolist():
                these = own[title[own] == number]
                users_of, previous = place[these] - first, np.full(len(contexts), NONE)
                previous[users_of] = shown[these]
                for table, is_kept in tables:
                    p = chooser.probabilities(number, contexts, places, previous if is_kept else None)
                    weights = chooser.weights(number, p, places)
                    table[these, : weights.shape[1]] = weights[users_of] / chooser.config.total
                rewards = expected_rewards(chooser.variants[0].scoring.scores(number, contexts[users_of]))
                expected[these, : rewards.shape[1]] = rewards
    return Decided(row, title, out, np.clip(expected, 0.0, 1.0), unkept if chooser.manifest.previous else out)
