"""Where things lie in a workspace."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The folder that holds tables, impressions, evidence and generations; from it the store can be rebuilt."""

    root: Path

    @property
    def users(self) -> Path:
        """One row per user."""
        return self.root / "users.parquet"

    @property
    def titles(self) -> Path:
        """One row per title."""
        return self.root / "titles.parquet"

    @property
    def artworks(self) -> Path:
        """One row per artwork."""
        return self.root / "artworks.parquet"

    @property
    def candidates(self) -> Path:
        """Optional: the titles that a user may be shown."""
        return self.root / "candidates.parquet"

    @property
    def impressions(self) -> Path:
        """Folder of what was shown and played, one partition per day."""
        return self.root / "impressions"

    @property
    def events(self) -> Path:
        """Folder of what clients sent back: segments of the streams, and what the join says of them."""
        return self.root / "events"

    @property
    def evidence(self) -> Path:
        """Folder of sufficient statistics, one file per day and posterior."""
        return self.root / "evidence"

    @property
    def generations(self) -> Path:
        """Folder of generations, one folder each."""
        return self.root / "generations"

    @property
    def overlays(self) -> Path:
        """Folder of the overlay's revisions, one file each."""
        return self.root / "overlays"

    @property
    def experiments(self) -> Path:
        """Folder of experiments: a plan each, and a folder of what was registered, read and decided."""
        return self.root / "experiments"

    @property
    def policy(self) -> Path:
        """Optional: what a gated experiment shipped."""
        return self.root / "policy.json"

    @property
    def truth(self) -> Path:
        """The simulated world behind the users of this workspace, if there is one."""
        return self.root / "simulation" / "world.npz"

    @property
    def targets(self) -> Path:
        """Users and titles that the load test asks for."""
        return self.root / "loadtest.json"

    @property
    def history(self) -> Path:
        """Optional: what the contexts of users were made of, one row per user."""
        return self.root / "history.parquet"

    @property
    def made_contexts(self) -> Path:
        """Optional: which contexts were made of it; those that somebody changed since are left alone."""
        return self.root / "contexts.json"

    @property
    def lock(self) -> Path:
        """Held by the job that is at work here, and says which one that is."""
        return self.root / "job.lock"

    @property
    def heartbeat(self) -> Path:
        """When a scheduled batch job last began or ended a cycle, and how it went."""
        return self.root / "heartbeat"
