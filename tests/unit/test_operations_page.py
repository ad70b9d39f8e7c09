"""The pages for operators name metrics and settings that exist."""

import re
from pathlib import Path

import pytest

from batch.store.embedded import FSYNC_VARIABLE
from service.metrics.exposition import exposition
from service.metrics.metrics import Metrics
from service.settings import PREFIX, Settings

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "operations.md", DOCS / "service.md"]
FIELD = "artwork_id"
VARIABLES = {PREFIX + field.upper() for field in Settings.model_fields}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_metric_of_the_page_exists(page: Path) -> None:
    exposed = set(re.findall(r"^# TYPE (\S+)", exposition(Metrics().blocks).decode(), re.MULTILINE))
    named = {name.removesuffix("_bucket") for name in re.findall(r"\bartwork_[a-z_]+", page.read_text())} - {FIELD}
    assert named
    assert named <= exposed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_of_the_page_is_a_setting(page: Path) -> None:
    assert set(re.findall(r"ARTWORK_[A-Z_]+", page.read_text())) <= VARIABLES | {FSYNC_VARIABLE}


def test_the_page_of_the_service_has_every_setting() -> None:
    assert set(re.findall(r"ARTWORK_[A-Z_]+", PAGES[1].read_text())) >= VARIABLES
