"""Generations on disk: numbered folders, claimed by making them, each with a manifest of what made it."""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from bandit.errors import InputError, SurroundingsError
from batch.config import Config
from batch.files import write_json
from batch.workspace import Workspace


@dataclass(frozen=True)
class Manifest:
    """What a generation is made of; ``stage`` is trained or precomputed. ``rows`` counts the impressions of each day."""

    generation: int
    parent: int | None
    created_at: str
    code_version: str
    config: Config
    rows: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    stage: str = "claimed"

    @classmethod
    def new(cls, generation: int, parent: int | None, config: Config) -> Self:
        """A manifest for a number that was just claimed."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(generation, parent, now, version("artwork-bandit"), config)

    @property
    def digest(self) -> str:
        """Digest of the manifest: the store's copy of a generation names the manifest that it came from."""
        plain = asdict(self)
        if not self.config.other_policy:  # as before there were two policies: the store's copies keep their digest
            del plain["config"]["other_policy"], plain["config"]["other_share"]
        return blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=16).hexdigest()

    def with_files(self, folder: Path, paths: list[Path], *, stage: str, **counts: int) -> Self:
        """The manifest after a stage that wrote ``paths``: their checksums and counts added."""
        sums = {str(path.relative_to(folder)): file_digest(path) for path in paths}
        return replace(self, stage=stage, checksums=self.checksums | sums, counts=self.counts | counts)


def folder_of(workspace: Workspace, generation: int) -> Path:
    """The folder of a generation."""
    return workspace.generations / f"{generation:06d}"


def claim(workspace: Workspace) -> int:
    """A generation number of one's own: the next after the last, claimed by making its folder.

    Raises:
        SurroundingsError: the folder cannot be made.
    """
    try:
        workspace.generations.mkdir(parents=True, exist_ok=True)
        generation = max(claimed(workspace), default=0) + 1
        while True:
            try:
                folder_of(workspace, generation).mkdir()
            except FileExistsError:  # another job was faster
                generation += 1
            else:
                return generation
    except OSError as error:
        raise SurroundingsError(
            f"cannot claim a generation in {workspace.generations}: {error}; check the disk"
        ) from error


def claimed(workspace: Workspace) -> list[int]:
    """Every number that was ever claimed here, in order; a job that died leaves its number used."""
    return sorted(int(path.name) for path in workspace.generations.glob("[0-9]*") if path.name.isdigit())


def finished(workspace: Workspace, stage: str) -> list[int]:
    """The generations that have reached a stage, in order."""
    order = ("claimed", "trained", "precomputed")
    reached = order[order.index(stage) :]
    return [g for g in claimed(workspace) if _stage(workspace, g) in reached]


def _stage(workspace: Workspace, generation: int) -> str | None:
    try:
        manifest = _read(workspace, generation)
    except InputError:  # it is told to whoever asks for this generation; the others are none the worse for it
        return None
    return None if manifest is None else manifest.stage


def resolve(workspace: Workspace, generation: int | None, stage: str) -> int:
    """The generation asked for, or the newest one that has reached ``stage``.

    Raises:
        InputError: it does not exist, or has not reached the stage.
    """
    there = finished(workspace, stage)
    command = {"trained": "train", "precomputed": "precompute"}[stage]
    if generation is None:
        if not there:
            raise InputError(f"{workspace.generations} has no {stage} generation; run `artwork {command}` first")
        return there[-1]
    if generation not in there:
        have = ", ".join(map(str, there[-5:])) or "none"
        raise InputError(
            f"generation {generation} is not {stage} in {workspace.generations}; {stage} are {have};"
            f" run `artwork {command}` or name one of them"
        )
    return generation


def read_manifest(workspace: Workspace, generation: int) -> Manifest:
    """The manifest of a generation.

    Raises:
        InputError: there is no such generation here.
    """
    manifest = _read(workspace, generation)
    if manifest is None:
        have = ", ".join(map(str, claimed(workspace)[-5:])) or "none"
        raise InputError(
            f"generation {generation} is not in {workspace.generations}; there are {have}; see `artwork generations list`"
        )
    return manifest


def write_manifest(workspace: Workspace, manifest: Manifest) -> None:
    """Write a generation's manifest; it is replaced whole when a stage is done."""
    write_json(folder_of(workspace, manifest.generation) / "manifest.json", asdict(manifest))


def file_digest(path: Path) -> str:
    """BLAKE2b-128 of a file's bytes, as hexadecimal digits."""
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()


def verify_files(workspace: Workspace, manifest: Manifest) -> None:
    """Compare every file of a generation with its checksum.

    Raises:
        InputError: a file is missing or has changed since it was made.
    """
    folder = folder_of(workspace, manifest.generation)
    for name, expected in manifest.checksums.items():
        path = folder / name
        if not path.is_file() or file_digest(path) != expected:
            raise InputError(
                f"{path} is missing or differs from its checksum in manifest.json; generations never change: make a new one"
            )


def picks_files(workspace: Workspace, manifest: Manifest) -> list[Path]:
    """The files of a generation's picks, in user order: those of its manifest, not what a job that died may have left."""
    folder = folder_of(workspace, manifest.generation)
    return [folder / name for name in sorted(manifest.checksums) if name.startswith("picks/")]


def _read(workspace: Workspace, generation: int) -> Manifest | None:
    path = folder_of(workspace, generation) / "manifest.json"
    if not path.is_file():
        return None
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = {item.name for item in fields(Manifest)}
        return Manifest(**{name: value[name] for name in known} | {"config": Config(**value["config"])})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a manifest ({error}); remove the folder {path.parent}") from error
