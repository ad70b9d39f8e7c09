"""The report behind the tab of the control room: the command's own, kept while files do not change."""

from collections.abc import Iterator
from datetime import timedelta

import orjson
import pytest
from make_impressions import FIRST_DAY, draw_impressions, log_days, make_generation, shorten
from shell import call
from web_stage import NOW, Client, NotedStage, nowhere

from artwork.web.figures.health import KeptHealth
from batch.workspace.impressions import append_impressions, day_files
from batch.workspace.workspace import Workspace


@pytest.fixture
def stage(workspace: Workspace) -> NotedStage:
    shorten(workspace)
    make_generation(workspace)
    log_days(workspace, 2, 400)
    return NotedStage(workspace)


@pytest.fixture
def client(stage: NotedStage) -> Iterator[Client]:
    with Client(stage) as client:
        yield client


def test_the_report_is_the_one_of_the_command(stage: NotedStage, client: Client) -> None:
    page = stage.workspace.root.parent / "page.html"
    on = NOW.date().isoformat()
    said = call("report", "--workspace", str(stage.workspace.root), "--report", str(page), "--on", on, "--json")
    expected, told = orjson.loads(said.out), client.ask("GET", "/api/report").json()
    assert (told["sentence"], told["is_healthy"]) == (expected["sentence"], expected["is_healthy"])
    shown = [section for section in expected["sections"] if section["findings"]]
    own = [section for section in told["sections"] if section["title"] != "Needs you"]
    assert [section["title"] for section in own] == [section["title"] for section in shown]
    learning = [[line["text"].partition(",")[0] for line in section["findings"]] for section in (own[1], shown[1])]
    assert learning[0] == learning[1]
    assert told["again"] == f"artwork report --workspace {stage.workspace.root} --on {on}"


def test_a_report_is_made_again_only_after_files_have_changed_or_a_day_has_come(stage: NotedStage) -> None:
    today = [NOW.date()]
    kept = KeptHealth(stage.workspace, lambda: today[0], lambda: "")
    first = kept.get().figures
    assert kept.get().figures is first
    append_impressions(stage.workspace, FIRST_DAY.replace(day=3), draw_impressions(stage.workspace, FIRST_DAY, 50))
    second = kept.get().figures
    assert (first.day, second.day) == ("2026-01-02", "2026-01-03")
    today[0] += timedelta(days=1)
    assert kept.get().figures.on == "2026-01-06"
    for file in day_files(stage.workspace, FIRST_DAY.replace(day=3)):
        file.write_bytes(b"half of a file")
    assert kept.get().figures.day == "2026-01-03"  # the last that could be read


def test_a_report_of_a_workspace_that_is_not_there_yet_can_be_asked_for_again() -> None:
    with Client(nowhere()) as asking:
        answer = asking.ask("GET", "/api/report")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
