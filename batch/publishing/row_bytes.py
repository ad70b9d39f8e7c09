"""From a generation on disk to what is published: the bytes of its rows, its meta, its catalogue."""

from collections.abc import Iterator

import numpy as np

from bandit import snapshot
from bandit.arrays import U16
from bandit.policies import Popularity
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import Manifest, read_manifest
from batch.workspace.kept_segments import read_segment_weights, read_segments
from batch.workspace.picks import RecordedPicks
from batch.workspace.workspace import Workspace


def encoded_rows(workspace: Workspace, generation: int) -> Iterator[tuple[str, bytes]]:
    """(user_id, row) of every user, in user order."""
    for rows in RecordedPicks(workspace, read_manifest(workspace, generation)):
        yield from map(rows.record, range(len(rows.places)))


def published_meta(workspace: Workspace, manifest: Manifest, catalogue: Catalogue) -> tuple[snapshot.Meta, list[bytes]]:
    """What is published of a generation beside its rows: its meta, and the parts of its catalogue."""
    kept, weights = read_segments(workspace, manifest), read_segment_weights(workspace, manifest)
    segments = () if kept is None or weights is None else kept.segments
    published = published_catalogue(catalogue, Popularity.name, segments, weights)
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
        segments=published.counts.segments,
        total=manifest.row_format.total,
        format=manifest.row_format.number,
        salt=manifest.config.salt if manifest.config.splits else "",
        splits=manifest.config.splits,
    )
    return meta, parts


def published_catalogue(
    catalogue: Catalogue, fallback_policy: str, segments: tuple[snapshot.Segment, ...], segment_weights: U16 | None
) -> snapshot.Catalogue:
    """The catalogue as the service reads it, with the weights of the fallback and of segments, (s, a), for every title."""
    artworks = catalogue.frame["artwork_id"].to_list()
    weights = catalogue.frame["popularity_weight"].to_list()
    defaults = catalogue.frame["is_default"].to_numpy()
    titles = []
    for title, title_id in enumerate(catalogue.title_ids):
        start, stop = catalogue.starts[title], catalogue.starts[title + 1]
        default = int(np.argmax(defaults[start:stop]))
        packed = (
            segment_weights[:, start:stop].astype("<u2").tobytes() if segments and segment_weights is not None else b""
        )
        titles.append(
            snapshot.CatalogueTitle(title_id, tuple(artworks[start:stop]), default, tuple(weights[start:stop]), packed)
        )
    return snapshot.Catalogue(tuple(titles), fallback_policy, segments)
