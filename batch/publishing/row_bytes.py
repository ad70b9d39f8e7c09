"""From a generation's picks on disk to the bytes that are published."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from bandit import snapshot
from bandit.arrays import U8, U16
from bandit.errors import InputError
from bandit.policies import Popularity
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import read_parquet
from batch.workspace.generations import CANDIDATES, Manifest, picks_files, read_manifest
from batch.workspace.workspace import Workspace

_PICK_2 = np.dtype([("arm", "u1"), ("weight", "<u2")])


def encoded_rows(workspace: Workspace, generation: int, catalogue: Catalogue) -> Iterator[tuple[str, bytes]]:
    """(user_id, row) of every user, in user order."""
    manifest = read_manifest(workspace, generation)
    is_shortlist = CANDIDATES in manifest.checksums
    for path in picks_files(workspace, manifest):
        yield from _rows_of_part(path, manifest, catalogue, is_shortlist=is_shortlist)


def published_meta(manifest: Manifest, catalogue: Catalogue) -> tuple[snapshot.Meta, list[bytes]]:
    """What is published of a generation beside its rows: its meta, and the parts of its catalogue."""
    published = published_catalogue(catalogue, Popularity.name)
    digest, parts = snapshot.encode_catalogue(published)
    meta = snapshot.Meta(
        generation=manifest.generation,
        identity=manifest.identity,
        seed=manifest.config.seed,
        manifest_digest=manifest.digest,
        catalogue_digest=digest,
        catalogue_parts=len(parts),
        users=manifest.counts["rows"],
        titles=published.counts.titles,
        artworks=published.counts.artworks,
        variants=manifest.config.names,
        created_at=manifest.created_at,
        total=manifest.row_format.total,
        format=manifest.row_format.number,
    )
    return meta, parts


def published_catalogue(catalogue: Catalogue, fallback_policy: str) -> snapshot.Catalogue:
    """The catalogue as the service reads it, with the fallback weights of every title."""
    artworks = catalogue.frame["artwork_id"].to_list()
    weights = catalogue.frame["popularity_weight"].to_list()
    defaults = catalogue.frame["is_default"].to_numpy()
    titles = []
    for title, title_id in enumerate(catalogue.title_ids):
        start, stop = catalogue.starts[title], catalogue.starts[title + 1]
        default = int(np.argmax(defaults[start:stop]))
        titles.append(
            snapshot.CatalogueTitle(title_id, tuple(artworks[start:stop]), default, tuple(weights[start:stop]))
        )
    return snapshot.Catalogue(tuple(titles), fallback_policy)


def _packed(arms: U8, weights: U16, form: snapshot.RowFormat) -> bytes:
    """Picks (n,) as ``RowFormat.pack`` packs them.

    Raises:
        InputError: an arm or a weight is more than the format takes.
    """
    if arms.max(initial=0) >= form.most_arms or weights.max(initial=0) > form.total:
        raise InputError(
            f"the picks have arms up to {arms.max()} and weights up to {weights.max()}, row format {form.number} takes arms below"
            f" {form.most_arms} and weights up to {form.total}; generations never change: run `artwork train` for a new one"
        )
    if form is not snapshot.FORMAT_2:
        return (weights.astype("<u2") << form.arm_bits | arms).astype("<u2").tobytes()
    packed = np.empty(len(arms), dtype=_PICK_2)
    packed["arm"], packed["weight"] = arms, weights
    return packed.tobytes()


def _rows_of_part(
    path: Path, manifest: Manifest, catalogue: Catalogue, *, is_shortlist: bool
) -> Iterator[tuple[str, bytes]]:
    frame = read_parquet(path)
    if frame.is_empty():  # none of its users has candidates
        return
    users = frame["user_id"]
    starts = np.flatnonzero((users != users.shift(1)).fill_null(value=True).to_numpy())
    form = manifest.row_format
    picks = _packed(frame["arm"].to_numpy(), frame["weight"].to_numpy(), form)
    indices = b""
    if is_shortlist:  # picks of a user are in catalogue order, so the indices of a row come out sorted
        titles = frame["title_id"].cast(pl.Enum(catalogue.title_ids)).to_physical().to_numpy()
        indices = titles.astype("<u2").tobytes()
    stops = [*starts[1:].tolist(), frame.height]
    # All picks of a user are drawn under one variant; the header has its place among those of meta.
    variants = [manifest.config.names.index(name) for name in frame["policy"].gather(starts)]
    generation, identity = manifest.generation, manifest.identity
    for user_id, variant, start, stop in zip(
        users.gather(starts).to_list(), variants, starts.tolist(), stops, strict=True
    ):
        own = picks[start * form.pick_bytes : stop * form.pick_bytes]
        listed = indices[start * snapshot.INDEX_BYTES : stop * snapshot.INDEX_BYTES]
        yield user_id, snapshot.encode_row(user_id, generation, identity, variant, own, listed, form)
