"""Nights of a sticky policy, as the report sees them: propensities hold, flips have a value, and keeping costs sample."""

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from make_impressions import make_generation, silent
from simulated_days import FIRST_DAY, SimulatedWorkspace

from artwork.reports.health_findings import DeadLetters, Serving
from artwork.reports.health_words import health
from batch.config import Config
from batch.datasets import synthetic
from batch.monitoring.decisions import probabilities_of, read_decisions, sampled_titles, sampled_users
from batch.monitoring.flips import flips_between
from batch.monitoring.gather import gather
from batch.monitoring.nights import open_chooser
from batch.workspace.generations import read_manifest
from batch.workspace.impressions import day_files

NIGHTS = 4


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> SimulatedWorkspace:
    """A day under uniform, then Thompson sampling for three, each night given the picks of the one before."""
    config = Config.of("thompson", seed=5, explore_share=0.2, stickiness=0.7, stickiness_margin=0.5)
    made = SimulatedWorkspace.build(tmp_path_factory.mktemp("sticky"), synthetic.build(300, 8, seed=5), config)
    made.explore(0)
    for day in range(1, NIGHTS):
        made.play(day, make_generation(made.workspace, config=config))
    return made


def test_every_night_keeps_the_picks_of_the_one_before(loop: SimulatedWorkspace) -> None:
    before = [read_manifest(loop.workspace, number).previous for number in range(1, NIGHTS + 1)]
    assert [None if own is None else own.generation for own in before] == [None, 1, 2, 3]


def test_the_weights_of_a_night_add_up_to_what_is_expected_of_every_arm(loop: SimulatedWorkspace) -> None:
    """E[w] = 1 of p', and not of the p that forgets what was shown before."""
    chooser = open_chooser(loop.workspace, NIGHTS)
    assert chooser is not None
    users, _ = sampled_users(chooser, 5)
    files = day_files(loop.workspace, FIRST_DAY + timedelta(days=NIGHTS - 1))
    rows = read_decisions(files, users, sampled_titles(chooser), ("arm", "propensity"), NIGHTS)
    decided = probabilities_of(chooser, rows, users)
    arms, own = rows["arm"].to_numpy()[decided.rows], np.arange(len(decided.rows))
    propensities = rows["propensity"].to_numpy()[decided.rows]
    assert decided.probabilities[own, arms] == pytest.approx(propensities)
    assert np.mean(decided.unkept[own, arms] != propensities) > 0.5
    for arm in range(3):
        shown, hoped = np.where(arms == arm, 1.0, 0.0), decided.probabilities[:, arm]
        assert abs(shown.sum() - hoped.sum()) < 4 * np.sqrt((hoped * (1 - hoped)).sum())


def test_the_report_tells_flips_their_value_and_the_sample_that_is_left(loop: SimulatedWorkspace) -> None:
    figures = gather(loop.workspace, silent, FIRST_DAY + timedelta(days=NIGHTS))
    flips = figures.flips
    assert flips is not None
    assert flips == flips_between(loop.workspace, *(FIRST_DAY + timedelta(days=NIGHTS - back) for back in (1, 2)))
    assert 0.05 < flips.flipped / flips.pairs < 0.6
    assert flips.valued > 50
    assert flips.value is not None
    assert flips.value_error is not None
    assert flips.value > 2 * flips.value_error  # by the model that chose
    assert flips.sample_kept is not None
    assert 0.1 < flips.sample_kept < 0.9
    text = next(
        line.text
        for section in health(figures, Serving(None), DeadLetters(0)).sections
        for line in section.findings
        if line.name == "flips"
    )
    assert f"keeping picks leaves {flips.sample_kept:.0%} of the effective sample" in text


def test_without_the_files_of_the_night_before_nothing_is_said_of_its_decisions(
    loop: SimulatedWorkspace, tmp_path: Path
) -> None:
    copy = SimulatedWorkspace.of(Path(shutil.copytree(loop.workspace.root, tmp_path / "copy")), loop.config)
    shutil.rmtree(copy.workspace.generations / "000003" / "picks")
    flips = flips_between(copy.workspace, *(FIRST_DAY + timedelta(days=NIGHTS - back) for back in (1, 2)))
    assert flips.pairs > 0
    assert (flips.value, flips.sample_kept) == (None, None)
