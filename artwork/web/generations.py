"""The generations of a workspace as the page shows them."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from artwork.web.kept import Kept, stamps
from batch.workspace.generations import Manifest, claimed, find_manifest, folder_of
from batch.workspace.workspace import Workspace

NEWEST: Final = 200

State = Literal["current", "previous", "made", "unfinished"]


@dataclass(frozen=True)
class ShownGeneration:
    """A generation: how it was made and where it stands; ``forced`` are the checks that it was published in spite of."""

    generation: int
    made_at: str
    policy: str
    posterior: str
    parent: int | None
    picks: int
    impressions: int
    state: State
    seconds: float | None
    forced: Sequence[str]


class Generations:
    """The manifests of the newest generations."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._manifests: dict[int, tuple[Hashable, Manifest | None]] = {}
        self._kept = Kept(self._stamp, self._read)

    def manifests(self) -> Mapping[int, Manifest]:
        """By number, in order; a job that is at its first step, or died there, has left none."""
        return self._kept.get()

    def shown(
        self, current: int | None, previous: int | None, seconds: Mapping[int, float]
    ) -> Sequence[ShownGeneration]:
        """What the page shows of them; ``seconds`` are those of the nights that somebody timed."""
        return [
            ShownGeneration(
                generation=number,
                made_at=manifest.created_at,
                policy=" and ".join(variant.label for variant in manifest.config.variants),
                posterior=" and ".join(dict.fromkeys(variant.posterior for variant in manifest.config.variants)),
                parent=manifest.parent,
                picks=manifest.counts.get("picks", 0),
                impressions=sum(manifest.rows.values()),
                state=_state(manifest, current, previous),
                seconds=seconds.get(number),
                forced=manifest.forced,
            )
            for number, manifest in self.manifests().items()
        ]

    def _numbers(self) -> list[int]:
        return claimed(self._workspace)[-NEWEST:]

    def _stamp(self) -> Hashable:
        return stamps(folder_of(self._workspace, number) / "manifest.json" for number in self._numbers())

    def _read(self) -> dict[int, Manifest]:
        read = {}
        for number in self._numbers():
            stamp = stamps([folder_of(self._workspace, number) / "manifest.json"])
            kept = self._manifests.get(number)
            read[number] = kept if kept and kept[0] == stamp else (stamp, find_manifest(self._workspace, number))
        self._manifests = read
        return {number: manifest for number, (_, manifest) in read.items() if manifest is not None}


def _state(manifest: Manifest, current: int | None, previous: int | None) -> State:
    if manifest.generation == current:
        return "current"
    if manifest.generation == previous:
        return "previous"
    return "made" if manifest.stage == "precomputed" else "unfinished"
