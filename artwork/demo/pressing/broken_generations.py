"""Generations that are broken on purpose and published like any other, so that the gate has something to refuse."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import redis

from artwork.web.stage import BusyError
from bandit.errors import InputError
from bandit.policies import parse_policy
from bandit.posterior.files import save_arrays
from batch.choosing.precompute import precompute
from batch.executors import Executor, Progress
from batch.learning.posteriors import model_path
from batch.publishing.flips import rollback
from batch.publishing.gate import RefusedError, judge
from batch.publishing.publish import publish, served_from
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import (
    CANDIDATES,
    Manifest,
    claim,
    digest_of,
    folder_of,
    read_manifest,
    write_manifest,
)
from batch.workspace.picks import RecordedPicks, packing_of, row_file_path
from batch.workspace.row_files import RowFile, pack, write_row_file
from batch.workspace.workspace import Workspace

_PICKS: Final = "picks/"
_SURE: Final = 1e6
"""Evidence counts as if each impression had come so often."""
_GROWS: Final = (
    "precision",
    "information",
    "counts",
    "squares",
    "sums",
    "takes",
    "prior_precision",
    "precisions",
    "impressions",
)
_SHRINKS: Final = {"root": _SURE**-0.5, "variances": 1 / _SURE}


@dataclass(frozen=True)
class Fault:
    """A way to break a generation: what it is in words, and what does it to the files in a folder.

    ``check`` is the check of the gate that looks for it; ``damage`` is done to the posterior. ``draws`` says that picks are drawn
    anew afterwards, as they would be by a job with that fault; else they are those of before, with ``swaps`` the wrong way round.
    """

    words: str
    check: str
    damage: Callable[[Path, Manifest], None] | None = None
    draws: bool = False
    swaps: bool = False


@dataclass(frozen=True)
class Refusal:
    """What came of publishing a broken generation: the checks that it failed, none where the gate let it pass."""

    generation: int
    checks: tuple[str, ...]
    words: str


def publish_broken(
    workspace: Workspace,
    fault: str,
    client: redis.Redis,
    url: str,
    executor: Executor,
    progress: Progress,
    shard_size: int,
) -> Refusal:
    """Copy the generation that is served, break the copy, and publish it. Nobody is shown what the gate would let pass.

    Args:
        workspace: of the generations.
        fault: one of ``FAULTS``.
        client: of the store.
        url: of the store, for messages.
        executor: that draws picks.
        progress: told of them.
        shard_size: as for a night.

    Raises:
        InputError: there is no such fault.
        BusyError: nothing is served that could be broken so.
        SurroundingsError: the store failed.
    """
    own = checked_fault(fault)
    served = served_from(workspace, client)
    if served is None:
        raise BusyError("no generation is served yet; wait for the first night")
    before = read_manifest(workspace, served)
    if own.draws and not parse_policy(before.config.variants[0].policy).contextual:
        raise BusyError(
            "the generation that is served draws under uniform and looks at no posterior; wait for the first live day"
        )
    number = _broken_copy(workspace, before, own)
    if own.draws:
        precompute(workspace, number, executor, progress, shard_size=shard_size)
    # Nobody may be shown what is broken. Where arms are alike, as under uniform, swapping them breaks nothing; how far weights
    # move depends on the policies: epsilon-greedy looks at means alone, and two variants are judged together.
    verdict = judge(workspace, number, served)
    if verdict.passes:
        seen = next(check.text for check in verdict.checks if check.name == own.check)
        return Refusal(number, (), f"the gate would let generation {number} pass, so it is not published: {seen}")
    try:
        publish(workspace, number, client, url, progress)
    except RefusedError as refused:
        checks = refused.verdict.refused
        return Refusal(
            number, tuple(check.name for check in checks), "; ".join(f"{own.name}: {own.text}" for own in checks)
        )
    rollback(client)  # what is served changed between the two judgements
    return Refusal(number, (), f"the gate let generation {number} pass; it was rolled back at once")


def checked_fault(fault: str) -> Fault:
    """A fault by its name.

    Raises:
        InputError: there is no such fault.
    """
    if fault not in FAULTS:
        raise InputError(f"fault is {fault!r}, expected one of {', '.join(FAULTS)}")
    return FAULTS[fault]


def _broken_copy(workspace: Workspace, before: Manifest, fault: Fault) -> int:
    number = claim(workspace)
    folder, source = folder_of(workspace, number), folder_of(workspace, before.generation)
    names = [name for name in before.checksums if not name.startswith(_PICKS)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)
    if fault.damage:
        fault.damage(folder, before)
    made = replace(
        before,
        generation=number,
        parent=before.generation,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        checksums={name: digest_of(folder / name) for name in names},
        stage="trained",
        forced=(),
    )
    if not fault.draws:
        paths = [
            _packed_again(folder, rows, before, made, swaps=fault.swaps) for rows in RecordedPicks(workspace, before)
        ]
        made = made.with_files(folder, paths, stage="precomputed")
    write_manifest(workspace, made)
    return number


def _packed_again(folder: Path, rows: RowFile, before: Manifest, made: Manifest, *, swaps: bool) -> Path:
    """Picks of one generation as those of another; with ``swaps``, the arms of each title are the wrong way round."""
    table = rows.picks(packing_of(before))
    sizes = np.diff(Catalogue.read(folder / "catalogue.parquet").starts)
    arms = (sizes[table.titles] - 1 - table.arms).astype(np.uint8) if swaps else table.arms
    own = np.searchsorted(table.users, rows.places)
    again = pack(
        packing_of(made),
        rows.first,
        rows.user_ids,
        rows.places,
        table.variants[own],
        np.diff([*own.tolist(), len(table.users)]),
        arms,
        table.weights,
        table.titles if CANDIDATES in made.checksums else table.titles[:0],
        table.by_title[own],
    )
    path = row_file_path(folder, rows.first)
    write_row_file(path, again)
    return path


def _with_nan(folder: Path, manifest: Manifest) -> None:
    """One number of the posterior is none, as after a division by zero."""
    path = model_path(folder, manifest.config, manifest.config.variants[0].model)
    arrays = _arrays(path)
    name = next(name for name, array in arrays.items() if array.dtype.kind == "f" and array.ndim)
    arrays[name] = arrays[name].copy()
    arrays[name].flat[arrays[name].size // 2] = np.nan
    save_arrays(path, arrays)


def _too_sure(folder: Path, manifest: Manifest) -> None:
    """Every impression counts a million times, as after a join that multiplies rows."""
    path = model_path(folder, manifest.config, manifest.config.variants[0].model)
    arrays = _arrays(path)
    factors = dict.fromkeys(_GROWS, _SURE) | _SHRINKS
    save_arrays(path, {name: array * factors[name] if name in factors else array for name, array in arrays.items()})


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


FAULTS: Final = {
    "nan": Fault("a posterior with a number that is none (NaN)", "finite numbers", _with_nan),
    "swapped": Fault("picks whose arms are the wrong way round", "draws of the picks", swaps=True),
    "collapsed": Fault(
        "a posterior that is a million times too sure, so that nothing is explored",
        "entropy of the weights",
        _too_sure,
        draws=True,
    ),
}
"""What may be broken."""
