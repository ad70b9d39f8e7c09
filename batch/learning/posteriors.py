"""The posterior that a generation chooses with: fitted to all evidence so far, kept in its folder, and read back."""

from pathlib import Path

from threadpoolctl import threadpool_limits

from bandit.policies import parse_policy
from bandit.posterior.base import Model
from bandit.posterior.registry import POSTERIORS, WITHOUT_CONTEXT
from bandit.snapshot import JOINT, hash_base
from batch.config import Config
from batch.learning.fit_logistic import fit_by_shards
from batch.learning.fitting import Fitted, Fitting
from batch.workspace.generations import Manifest


def model_name(config: Config) -> str:
    """The posterior that a generation learns: policies that know no context look at popularity alone."""
    return config.posterior if config.is_contextual else WITHOUT_CONTEXT


def model_of(config: Config, word: str) -> str:
    """The posterior that one of a generation's policies, by its word, looks at."""
    return config.posterior if parse_policy(word).contextual else WITHOUT_CONTEXT


def fit_model(config: Config, fitting: Fitting) -> Fitted:
    """The posterior that the configuration names; one BLAS thread, so that sums are the same bytes on any number of cores."""
    entry = POSTERIORS[model_name(config)]
    with threadpool_limits(limits=1, user_api="blas"):
        evidence = fitting.learned.evidence(entry.evidence)
        if evidence is None:  # it is on disk, as rows
            return fit_by_shards(fitting)
        posterior = entry.fit(evidence, fitting)
        return Fitted(posterior.model, posterior.estimated)


def model_path(folder: Path, name: str) -> Path:
    """Where a generation's posterior of a name lies."""
    return folder / "posterior" / f"{name}.npz"


def load_model(folder: Path, manifest: Manifest, name: str) -> Model:
    """A posterior of a generation; joint draws are pinned by the seed and number of the generation."""
    joint = hash_base(JOINT, manifest.config.seed, manifest.generation)
    return POSTERIORS[name].load(model_path(folder, name), joint)
