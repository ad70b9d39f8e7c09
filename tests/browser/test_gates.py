"""The control room shows the gate of an experiment: its shares, where it stands, and why."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from browsing import Demo, VisitMaker
from test_craft import violations

from batch.config import Config, Variant
from batch.experiments.gated.gate import pass_gate
from batch.experiments.plans.drafting import draft_workspace
from batch.experiments.reading import Source
from batch.experiments.register import start, stop
from batch.workspace.impressions import days
from batch.workspace.workspace import Workspace

NAME = "bolder"
TODAY = datetime.now(UTC).date()
VARIANTS = Variant("now", "thompson"), Variant("bold", "greedy")


@pytest.fixture
def gate(demo: Demo) -> Iterator[Workspace]:
    """A gated experiment in the workspace of the demo, which its first night finds none of."""
    workspace = Workspace(demo.workspace)
    first = days(workspace)[-1] - timedelta(days=1)
    draft_workspace(workspace, NAME, VARIANTS, hypothesis="x", start=first, length=9, today=TODAY, gate=[0.4, 0.7, 1])
    start(workspace, NAME, late=True, today=TODAY)
    try:
        yield workspace
    finally:
        stop(workspace, NAME, "")
        shutil.rmtree(workspace.experiments / NAME)
        (workspace.experiments / f"{NAME}.toml").unlink()


def test_there_is_no_panel_without_a_gate(visit: VisitMaker) -> None:
    page = visit("/control")
    page.page.wait_for_selector(".watched-poster img")
    assert not page.page.locator(".gates").is_visible()


def test_the_panel_has_the_step_the_share_the_last_decision_and_all_of_them(visit: VisitMaker, gate: Workspace) -> None:
    made = pass_gate(Source(gate, None, TODAY), NAME, Config(seed=7)).standing
    page = visit("/control")
    page.page.wait_for_selector(".gates .gate")
    assert page.page.locator(".gate-step").all_text_contents() == ["40 %", "70 %", "100 %"]
    assert page.page.locator(".gate-step[aria-current=step]").all_text_contents() == ["40 %"]
    words = page.page.inner_text(".gate-words")
    assert words.startswith("40 % of users have bold (greedy), the others now (thompson): the share stays")
    assert made.reasons[0] in page.page.inner_text(".gate ul")
    page.page.click(".gate summary")
    assert page.page.locator(".gate tbody tr").all_text_contents() == [f"{made.day}STAY40 %"]
    assert violations(page) == []
