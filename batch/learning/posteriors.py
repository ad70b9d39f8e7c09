"""The posteriors that a generation chooses with: fitted to all evidence so far, kept in its folder, and read back."""

from pathlib import Path

from bandit.posterior.base import Estimated, Model
from bandit.posterior.registry import POSTERIORS
from bandit.snapshot import JOINT, hash_base
from batch.config import Config, ModelKey
from batch.learning.day_rows import nth_reward
from batch.learning.fit_logistic import fit_by_shards
from batch.learning.fitting import Fitting
from batch.linear_algebra import in_one_thread
from batch.workspace.generations import Manifest


def fit_model(posterior: str, fitting: Fitting) -> tuple[Model, Estimated]:
    """A posterior of a name, and the precisions that were estimated for it.

    One BLAS thread, so that sums are the same bytes on any number of cores.
    """
    entry = POSTERIORS[posterior]
    with in_one_thread():
        evidence = fitting.learned.evidence(entry.evidence)
        if evidence is None:  # it is on disk, as rows
            return fit_by_shards(fitting)
        fitted = entry.fit(evidence, fitting)
        return fitted.model, fitted.estimated


def model_path(folder: Path, config: Config, key: ModelKey) -> Path:
    """Where a generation's model lies: ``linear.npz`` of its first reward, ``linear-2.npz`` of its second."""
    return folder / "posterior" / f"{key.posterior}{nth_reward(config.rewards.index(key.reward))}.npz"


def load_model(folder: Path, manifest: Manifest, key: ModelKey) -> Model:
    """A model of a generation; joint draws are pinned by the seed and number of the generation."""
    joint = hash_base(JOINT, manifest.config.seed, manifest.generation)
    return POSTERIORS[key.posterior].load(model_path(folder, manifest.config, key), joint)
