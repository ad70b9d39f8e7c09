"""Generations on disk: numbered folders, claimed by making them, each with a manifest of what made it."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b, file_digest
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, GetCoreSchemaHandler, GetPydanticSchema, TypeAdapter, ValidationError
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function, tagged_union_schema

from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import MAX_GENERATION, MAX_REVISION, RowFormat, shown
from batch.config import Config, TwoPolicies, Variant
from batch.workspace.files import write_json
from batch.workspace.workspace import Workspace

MAX_MANIFEST_BYTES: Final = 64 * 1024 * 1024
"""Half a million shards."""

CATALOGUE: Final = "catalogue.parquet"
CONTEXTS: Final = "contexts/part-000000.parquet"
CANDIDATES: Final = "candidates.parquet"
"""There only where users have shortlists."""
SEGMENTS: Final = "segments.parquet"
SEGMENT_WEIGHTS: Final = "segment-weights.parquet"
"""Both there only where enough users have sign-up signals in common."""
_PICKS: Final = "picks/"
_DRAWN: Final = (_PICKS, SEGMENT_WEIGHTS)
"""What the other files decide."""
_DEFAULTS: Final = asdict(TwoPolicies()) | asdict(Config()) | asdict(Variant()) | {"share": 0.0}
_NEW: Final = {"days", "forced", "revision", "experiments", "previous"}
"""Parts of a manifest that earlier ones lack."""
_FORMS: Final = ("<variants>", "<two policies>")
_NEEDED_COUNTS: Final = {
    "claimed": set[str](),
    "trained": {"users", "titles", "artworks"},
    "precomputed": {"users", "titles", "artworks", "picks", "rows"},
}

Number = Annotated[int, Field(ge=1, le=MAX_GENERATION)]
Count = Annotated[int, Field(ge=0, le=(1 << 53) - 1)]
Revision = Annotated[int, Field(ge=0, le=MAX_REVISION)]
Text = Annotated[str, Field(pattern=r"^[ -~]{1,256}$")]
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
FileName = Annotated[
    str, Field(pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length=255)
]
"""A plain name below the folder of the generation: no part of it is empty or starts with a dot."""


def _either_form(source: type[Config], handler: GetCoreSchemaHandler) -> CoreSchema:
    """How settings are read: with variants, or as they were written before there were any."""
    before = no_info_after_validator_function(TwoPolicies.config, handler.generate_schema(TwoPolicies))
    forms = dict(zip(_FORMS, (handler(source), before), strict=True))
    return tagged_union_schema(forms, lambda plain: _FORMS[isinstance(plain, dict) and "variants" not in plain])


@dataclass(frozen=True)
class LearnedDay:
    """What a generation learned from on a day: the digest of its files, and the impressions and rewards that counted.

    ``rewards`` is the sum of the first variant's reward. Impressions of artworks that are gone do not count.
    """

    digest: Digest
    impressions: Count
    rewards: Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class PreviousGeneration:
    """The generation whose picks are what users were shown before."""

    generation: Number
    identity: Digest


@dataclass(frozen=True)
class Manifest:
    """What a generation is made of. ``rows`` counts the impressions of each day; ``checksums`` are those of its files by name.

    ``days`` says what of each day it learns from, and is on disk before anything is learned. ``forced`` names the checks that
    it was published in spite of. ``revision`` is that of the overlay whose retired artworks the generation leaves out. Where it
    keeps no picks, ``previous`` is None. The types are those that a manifest on disk is held to.
    """

    generation: Number
    parent: Number | None
    created_at: Text
    code_version: Text
    config: Annotated[Config, GetPydanticSchema(_either_form)]
    rows: dict[Day, Count] = field(default_factory=dict)
    counts: dict[Text, Count] = field(default_factory=dict)
    checksums: dict[FileName, Digest] = field(default_factory=dict)
    stage: Literal["claimed", "trained", "precomputed"] = "claimed"
    days: dict[Day, LearnedDay] = field(default_factory=dict)
    forced: tuple[Text, ...] = ()
    revision: Revision = 0
    experiments: dict[Text, Digest] = field(default_factory=dict)
    previous: PreviousGeneration | None = None

    @classmethod
    def new(cls, generation: int, parent: int | None, config: Config) -> Self:
        """A manifest for a number that was just claimed."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(generation, parent, now, version("artwork-bandit"), config)

    @property
    def row_format(self) -> RowFormat:
        """How the rows are packed, and what the weights of a decision add up to: format 2 in manifests that do not say it."""
        return self.config.row_format

    @property
    def identity(self) -> str:
        """Digest of what decides the picks: number, settings, and all files but those of the picks and of segments' weights.

        It is known once the generation is trained, and free of times and paths: the same input is the same identity. The
        revision 0, no previous picks, and settings at their default, are left out: what is new changes no identity of before.
        """
        plain = {
            "generation": self.generation,
            "settings": _changed(_settings(self.config)),
            "files": {name: digest for name, digest in self.checksums.items() if not name.startswith(_DRAWN)},
        }
        told = {"revision": self.revision} if self.revision else {}
        return _digest_of(plain | told | ({"previous": self.previous.identity} if self.previous else {}))

    @property
    def digest(self) -> str:
        """Digest of the whole manifest, times and all, for information: the store names the manifest that its copy came from."""
        plain = _plain(self) | {"config": _settings(self.config)}
        # What is new and says nothing is left out: the store's copies of earlier generations keep their digest.
        if not plain["config"].get("other_policy", True):
            del plain["config"]["other_policy"], plain["config"]["other_share"]
        for name in ("refit_days", "total"):
            if getattr(self.config, name) == getattr(Config, name):
                del plain["config"][name]
        if not self.config.splits:
            plain["config"].pop("splits", None)
        for variant in plain["config"].get("variants", ()) if not self.config.is_sticky else ():
            del variant["stickiness"], variant["stickiness_margin"]
        return _digest_of(plain)

    def with_files(
        self, folder: Path, paths: list[Path], *, stage: Literal["trained", "precomputed"], **counts: int
    ) -> Self:
        """The manifest after a stage that wrote ``paths``: their checksums and counts added."""
        sums = {path.relative_to(folder).as_posix(): digest_of(path) for path in paths}
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
    names = (path.name for path in workspace.generations.glob("[0-9]*"))
    numbers = (
        int(name) for name in names if name.isascii() and name.isdigit() and len(name) <= len(str(MAX_GENERATION))
    )
    return sorted(number for number in numbers if 1 <= number <= MAX_GENERATION)


def finished(workspace: Workspace, stage: str) -> list[int]:
    """The generations that have reached a stage, in order."""
    order = ("claimed", "trained", "precomputed")
    reached = order[order.index(stage) :]
    manifests = (find_manifest(workspace, number) for number in claimed(workspace))
    return [manifest.generation for manifest in manifests if manifest is not None and manifest.stage in reached]


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
        _read(workspace, generation)  # which says what is wrong with its manifest, where something is
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


def find_manifest(workspace: Workspace, generation: int) -> Manifest | None:
    """The manifest of a generation; None where there is none here, or what is there is none."""
    try:
        return _read(workspace, generation)
    except InputError:  # it is told to whoever has to have this generation
        return None


def write_manifest(workspace: Workspace, manifest: Manifest) -> None:
    """Write a generation's manifest; it is replaced whole when a stage is done."""
    write_json(folder_of(workspace, manifest.generation) / "manifest.json", _plain(manifest))


def digest_of(path: Path) -> str:
    """BLAKE2b-128 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()


def verify_files(workspace: Workspace, manifest: Manifest, *, but_picks: bool = False) -> None:
    """Compare every file of a generation with its checksum, ``but_picks``: except those of its picks.

    Raises:
        InputError: a file is missing, lies elsewhere, or has changed since it was made.
    """
    names = [name for name in manifest.checksums if not (but_picks and name.startswith(_PICKS))]
    _verify(folder_of(workspace, manifest.generation), manifest, names)


def picks_names(manifest: Manifest) -> list[str]:
    """The files of a generation's picks, in user order: those of its manifest, not what a job that died may have left."""
    return [name for name in sorted(manifest.checksums) if name.startswith(_PICKS)]


def verified_file(workspace: Workspace, manifest: Manifest, name: str) -> Path:
    """A file of a generation that is as it was made.

    Raises:
        InputError: as ``verify_files``.
    """
    folder = folder_of(workspace, manifest.generation)
    _verify(folder, manifest, [name])
    return folder / name


def _verify(folder: Path, manifest: Manifest, names: list[str]) -> None:
    for name in names:
        if _digest_inside(folder, name) != manifest.checksums[name]:
            raise InputError(
                f"{folder / name} is missing or differs from its checksum in manifest.json; generations never change:"
                " make a new one"
            )


def _digest_inside(folder: Path, name: str) -> str | None:
    """The digest of a file in a folder; None where it is no file, or a link on its path leads out of the folder."""
    path = folder / name
    try:
        inside = path.resolve(strict=True).is_relative_to(folder.resolve(strict=True))
        return digest_of(path) if inside and path.is_file() else None
    except (OSError, RuntimeError):  # of links in a circle, before Python 3.13
        return None


def _plain(manifest: Manifest) -> dict[str, Any]:
    """A manifest as plain values, without the parts that earlier ones lack where these say nothing."""
    return {name: value for name, value in asdict(manifest).items() if value or name not in _NEW}


def _settings(config: Config) -> dict[str, Any]:
    """A configuration as plain values, in the form of before where that can say it: digests stay what they were."""
    return asdict(TwoPolicies.of(config) or config)


def _changed(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that are not at their default, those of each variant too."""
    kept = {name: value for name, value in settings.items() if value != _DEFAULTS[name] and name != "variants"}
    plain = {name: type(_DEFAULTS[name])(value) for name, value in kept.items()}  # 1 is 1.0
    return plain | {name: list(map(_changed, settings[name])) for name in settings if name == "variants"}


def _digest_of(plain: dict[str, object]) -> str:
    return blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=16).hexdigest()


def _read(workspace: Workspace, generation: int) -> Manifest | None:
    """The manifest of a generation, checked; None where there is none."""
    path = folder_of(workspace, generation) / "manifest.json"
    if not os.path.lexists(path):
        return None
    try:
        manifest = _adapter().validate_json(_content(path), strict=True, extra="forbid")
        wrong = _disagreement(manifest, generation)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(shown(part) for part in first["loc"] if part not in _FORMS)
        wrong = f"{where}: {first['msg']}" if where else first["msg"]
    except OSError as error:
        wrong = f"it cannot be read: {error.strerror or error}"
    if wrong:
        raise InputError(f"{path} is not a manifest ({wrong}); mend it, or remove the folder {path.parent}")
    return manifest


def _content(path: Path) -> bytes:
    """What a file holds; of a manifest that is none by its size or its kind, nothing."""
    if not path.is_file():
        raise OSError("it is no file")
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise OSError(f"it has more than {MAX_MANIFEST_BYTES:,} bytes")
    return path.read_bytes()


def _disagreement(manifest: Manifest, generation: int) -> str:
    """What types do not say: whether the parts of a manifest fit each other and its folder; empty where they do."""
    if manifest.generation != generation:
        return f"generation: it is {manifest.generation}, its folder is that of {generation}"
    if lacking := _NEEDED_COUNTS[manifest.stage] - manifest.counts.keys():
        return f"counts: a generation that is {manifest.stage} has {', '.join(sorted(lacking))}"
    if manifest.stage != "claimed" and (unsigned := {CATALOGUE, CONTEXTS} - manifest.checksums.keys()):
        return f"checksums: a generation that is {manifest.stage} has one of {', '.join(sorted(unsigned))}"
    return ""


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)
