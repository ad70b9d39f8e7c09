"""The policy of a workspace: what a gated experiment shipped, and `artwork run` chooses by if nothing else is said."""

from dataclasses import asdict, dataclass, replace

from pydantic import TypeAdapter, ValidationError

from bandit.errors import InputError, SurroundingsError
from batch.config import Variant
from batch.workspace.files import write_json
from batch.workspace.workspace import Workspace


@dataclass(frozen=True)
class Shipped:
    """The variant, the experiment that shipped it, and the digest of the record that says why."""

    variant: Variant
    experiment: str
    record: str

    def is_like(self, other: Variant) -> bool:
        """Whether another variant chooses alike, whatever its name and share."""
        return replace(self.variant, name="", share=None) == replace(other, name="", share=None)


_ADAPTER = TypeAdapter(Shipped)


def read_shipped(workspace: Workspace) -> Shipped | None:
    """What was shipped last; None where nothing was.

    Raises:
        InputError: the file is not as it was written.
        SurroundingsError: it cannot be read.
    """
    path = workspace.policy
    try:
        return _ADAPTER.validate_json(path.read_bytes(), extra="forbid") if path.exists() else None
    except OSError as error:
        raise SurroundingsError(f"cannot read {path}: {error}; check the disk and the file's permissions") from error
    except (ValidationError, InputError) as error:
        raise InputError(
            f"{path} is no policy of a workspace ({' '.join(str(error).split())[:200]}); restore it from a copy, or remove it and"
            " say --policy"
        ) from error


def write_shipped(workspace: Workspace, shipped: Shipped) -> None:
    """Make a variant the policy of the workspace."""
    write_json(workspace.policy, asdict(shipped))
