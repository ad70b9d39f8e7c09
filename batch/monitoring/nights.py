"""A night of a log as the sums that are watched; sums of nights that are over are kept beside the workspace's evidence."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from bandit.arrays import F64
from bandit.errors import InputError, SurroundingsError
from bandit.monitoring.propensities import BETS, propensity_bets, shown_and_expected
from bandit.monitoring.signals import Bets, Explored, Feature, Night, Ratio, explored_ratios
from bandit.policies import Uniform
from batch.choosing.chooser import Chooser
from batch.choosing.explain import feature_names
from batch.learning.day_rows import rewards_of
from batch.learning.pages import artworks_digest
from batch.logs.cells import numbered
from batch.monitoring.days import refuse_odd_values
from batch.monitoring.decisions import probabilities_of, read_decisions, sampled_titles, sampled_users
from batch.monitoring.frozen import FrozenModel, context_rows
from batch.workspace.files import reading, write_json
from batch.workspace.generations import find_manifest, verify_files
from batch.workspace.impressions import day_files, day_folder, days, scan_impressions
from batch.workspace.workspace import Workspace

MOST_EXPLORED: Final = 200_000
"""Impressions of explore users that are looked at in a night; beyond, a share of the users is."""

_MOST_CONTEXTS: Final = 50_000
_MOST_CLASSES: Final = 6
_FORMAT: Final = 2
_CLASS: Final = "country and device"


class NightReader:
    """Reads nights of a workspace, each once: sums of a night whose files are as they were come from where they are kept."""

    def __init__(self, workspace: Workspace, frozen: FrozenModel) -> None:
        self._workspace, self._frozen = workspace, frozen
        self._logged = days(workspace)
        self._artworks = artworks_digest(workspace, frozen.reward)
        self._classes = classes_of(workspace)
        self._class_names: list[str] = self._classes["class"].unique().sort().to_list()
        self._chooser: tuple[int, Chooser | None] = (0, None)

    def read(self, day: date) -> Night:
        """The sums of a day.

        Raises:
            InputError: a file of the day cannot be read.
        """
        path = self._workspace.root / "monitoring" / f"{day.isoformat()}.json"
        key = [
            _FORMAT,
            self._frozen.generation,
            self._class_names,
            _stamps(self._workspace, day),
            self._artworks,
        ]
        kept = _kept(path, key, day)
        if kept is not None:
            return kept
        night = self._read(day)
        with suppress(SurroundingsError):  # of a workspace that may only be read
            write_json(path, {"key": key, "night": _plain(night)})
        return night

    def _read(self, day: date) -> Night:
        files = day_files(self._workspace, day)
        refuse_odd_values(self._workspace, day)
        with reading(day_folder(self._workspace, day)):
            users, features = self._contexts(files)
            return Night(day.toordinal(), self._ratios(day, files), self._bets(day), features, users)

    def _ratios(self, day: date, files: list[Path]) -> dict[tuple[str, str], Ratio]:
        """What explore users did beside what the frozen model had expected."""
        explore = scan_impressions(files).filter(
            pl.col("policy") == Uniform.name, pl.col("source") == "personalized", pl.col("eligible").list.len() > 1
        )
        count = int(explore.select(pl.len()).collect().item())
        rows = _some(explore, count, MOST_EXPLORED).select(
            "user_id", "title_id", "artwork_id", "shown_at", "context", "clicked", "watch_fraction", "reward"
        )
        frame = rows.collect().sort("user_id", "title_id", "artwork_id")
        predicted = self._frozen.predict(frame)
        frame = frame[predicted.rows]
        classes = frame.join(self._classes, on="user_id", how="left", maintain_order="left")["class"]
        names = self._class_names
        return (
            explored_ratios(
                Explored(
                    users=numbered(frame["user_id"]),
                    rewards=rewards_of(frame, self._frozen.reward, self._workspace, day),
                    predicted=predicted.rewards,
                    is_best=predicted.is_best,
                    classes=np.array([names.index(name) if name else -1 for name in classes.to_list()], dtype=np.int64),
                    class_names=names,
                    clicked=frame["clicked"].to_numpy(),
                )
            )
            if frame.height
            else {}
        )

    def _contexts(self, files: list[Path]) -> tuple[int, dict[str, Feature]]:
        """Means and variances of contexts over the users of the day, each once; a segment's context is nobody's own."""
        log = scan_impressions(files).filter(pl.col("source") != "segment")
        count = int(log.select(pl.len()).collect().item())
        frame = _some(log, count, _MOST_CONTEXTS).select("user_id", "context").collect().unique("user_id", keep="first")
        if frame.height < 2 or frame["context"].list.len().n_unique() > 1:
            return 0, {}
        matrix = context_rows(frame.sort("user_id")["context"])
        names = feature_names(self._workspace, matrix.shape[1])
        means, variances = matrix.mean(axis=0), matrix.var(axis=0)
        fourth = ((matrix - means) ** 4).mean(axis=0)
        kurtoses = np.where(variances > 0, fourth / np.where(variances > 0, variances, 1.0) ** 2, 1.0)
        moments = zip(means.tolist(), variances.tolist(), kurtoses.tolist(), strict=True)
        return frame.height, {name: Feature(*own) for name, own in zip(names, moments, strict=True)}

    def _bets(self, day: date) -> dict[str, Bets]:
        """Bets against the propensities of the generation that chose most of the day's picks, of some users and titles."""
        files = day_files(self._workspace, day)
        generation = usual_generation(files)
        chooser = None if generation is None else self._chooser_of(generation)
        if chooser is None:
            return {}
        users, _ = sampled_users(chooser, chooser.config.seed)
        rows = self._new_decisions(day, chooser, users)
        decided = probabilities_of(chooser, rows, users)
        rows = rows[decided.rows]
        eligible = _mask(rows["eligible"], decided.probabilities.shape[1])
        probabilities = np.where(eligible, decided.probabilities, 0.0)
        arms = rows["arm"].to_numpy().astype(np.int64)
        there = arms < probabilities.shape[1]
        return _bets_of(
            chooser,
            arms[there],
            rows["propensity"].to_numpy().astype(np.float64)[there],
            probabilities[there],
            decided.titles[there],
        )

    def _new_decisions(self, day: date, chooser: Chooser, users: pl.DataFrame) -> pl.DataFrame:
        """The decisions of a generation that a day is the first to show: one that is shown for a week is drawn once."""
        titles, generation = sampled_titles(chooser), chooser.manifest.generation
        columns = ("arm", "eligible", "propensity")
        rows = read_decisions(day_files(self._workspace, day), users, titles, columns, generation)
        for earlier in reversed([own for own in self._logged if own < day]):
            shown = read_decisions(day_files(self._workspace, earlier), users, titles, (), generation)
            if shown.is_empty():
                break
            rows = rows.join(shown, on=["user_id", "title_id"], how="anti", maintain_order="left")
        return rows

    def _chooser_of(self, generation: int) -> Chooser | None:
        """What a generation chooses with; None where it is not here, or not as it was made."""
        if self._chooser[0] != generation:
            self._chooser = (generation, open_chooser(self._workspace, generation))
        return self._chooser[1]


def usual_generation(files: list[Path]) -> int | None:
    """The generation that chose most of a day's picks; None where there are none."""
    log = scan_impressions(files).filter(pl.col("source") == "personalized")
    most = log.group_by("generation").len().sort("len", "generation", descending=True).head(1).collect()
    return int(most["generation"][0]) if most.height else None


def open_chooser(workspace: Workspace, generation: int) -> Chooser | None:
    """What a generation chooses with; None where it is not here, or not as it was made."""
    manifest = find_manifest(workspace, generation)
    if manifest is None or manifest.stage == "claimed":
        return None
    try:
        verify_files(workspace, manifest, but_picks=True)
        return Chooser(workspace, generation)
    except InputError:
        return None


def _bets_of(
    chooser: Chooser, arms: np.ndarray, propensities: F64, probabilities: F64, titles: np.ndarray
) -> dict[str, Bets]:
    """By place in the title and by artwork: a fault may be of either kind."""
    size, catalogue = probabilities.shape[1], chooser.catalogue
    places = np.broadcast_to(np.arange(size), probabilities.shape)
    artworks = catalogue.starts[titles][:, None] + places
    names = [f"arm {place}" for place in range(size)]
    frame = catalogue.frame
    artwork_names = (frame["title_id"] + "/" + frame["artwork_id"]).to_list()
    made: dict[str, Bets] = {}
    weights = probabilities[np.arange(len(arms)), arms] / propensities
    for groups, own in ((places, names), (artworks, artwork_names)):
        logs = propensity_bets(arms, propensities, probabilities, groups, len(own))
        shown, expected = shown_and_expected(arms, probabilities, groups, len(own), weights)
        there = np.flatnonzero(expected > 0)
        share = 0.5 / max(len(there), 1)
        made |= {own[at]: Bets(logs[at], float(shown[at]), float(expected[at]), share) for at in there.tolist()}
    return made


def _mask(eligible: pl.Series, size: int) -> np.ndarray:
    """Lists of arms as a mask, (n, k)."""
    mask = np.zeros((len(eligible), size), dtype=np.bool_)
    counts = eligible.list.len().to_numpy()
    arms = eligible.explode().to_numpy().astype(np.int64) if len(eligible) else np.empty(0, dtype=np.int64)
    rows = np.repeat(np.arange(len(eligible)), counts)
    inside = arms < size
    mask[rows[inside], arms[inside]] = True
    return mask


def _some(log: pl.LazyFrame, rows: int, most: int) -> pl.LazyFrame:
    """The rows of a share of the users, where there are more than so many."""
    every = -(-rows // most)
    return log if every <= 1 else log.filter(pl.col("user_id").hash(seed=0) % every == 0)


def classes_of(workspace: Workspace) -> pl.DataFrame:
    """user_id and class of the users of the largest classes, by country and device; empty where tables do not say it."""
    nothing = pl.DataFrame(schema={"user_id": pl.String, "class": pl.String})
    if not workspace.users.is_file():
        return nothing
    with reading(workspace.users):
        users = pl.scan_parquet(workspace.users, hive_partitioning=False)
        if not {"country", "device"} <= set(users.collect_schema().names()):
            return nothing
        named = users.select(
            pl.col("user_id").cast(pl.String),
            (pl.col("country").cast(pl.String) + " " + pl.col("device").cast(pl.String)).alias("class"),
        ).drop_nulls()
        largest = named.group_by("class").len().sort(["len", "class"], descending=[True, False]).head(_MOST_CLASSES)
        return named.join(largest, on="class", how="semi").collect()


def _stamps(workspace: Workspace, day: date) -> list[list[Any]]:
    looked_at = [(path.name, path.stat()) for path in day_files(workspace, day)]
    return [[name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino] for name, status in looked_at]


def _plain(night: Night) -> dict[str, Any]:
    return {
        "day": night.day,
        "users": night.users,
        "ratios": [[*key, *ratio] for key, ratio in night.ratios.items()],
        "bets": [[name, own.logs.tolist(), own.shown, own.expected, own.share] for name, own in night.bets.items()],
        "features": [[name, *feature] for name, feature in night.features.items()],
    }


def _kept(path: Path, key: list[Any], day: date) -> Night | None:
    """A night that was kept of the same files, model and classes; None where there is none."""
    try:
        kept: Mapping[str, Any] = json.loads(path.read_bytes())
        if kept["key"] != json.loads(json.dumps(key)):
            return None
        night = kept["night"]
        made = Night(
            int(night["day"]),
            {(signal, member): Ratio(float(seen), float(hoped)) for signal, member, seen, hoped in night["ratios"]},
            {
                name: Bets(np.array(logs, dtype=np.float64), float(a), float(b), float(c))
                for name, logs, a, b, c in night["bets"]
            },
            {name: Feature(*map(float, moments)) for name, *moments in night["features"]},
            int(night["users"]),
        )
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return made if made.day == day.toordinal() and _is_sound(made) else None


def _is_sound(night: Night) -> bool:
    """Whether a night's numbers can be sums of a night at all."""
    return (
        all(np.isfinite(ratio).all() and min(ratio) >= 0 for ratio in night.ratios.values())
        and all(
            own.logs.shape == (len(BETS),) and np.isfinite(own.logs).all() and np.isfinite(own[1:]).all()
            for own in night.bets.values()
        )
        and all(np.isfinite(own).all() and own.variance >= 0 for own in night.features.values())
        and night.users >= 0
    )
