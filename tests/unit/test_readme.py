"""What a newcomer reads first; ``test_docs`` holds it and all other pages to what they show."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from artwork.cli import FAMILIES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_WORDS = 900
DOORS = {"Show it": "artwork demo", "Load it": "artwork loadtest", "Compare with it": "artwork compare"}
IMAGES = ROOT / "docs" / "images"
SVG = "{http://www.w3.org/2000/svg}"


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def picture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("take_rate", IMAGES / "take_rate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_read_in_a_few_minutes() -> None:
    assert len(TEXT.split()) < MOST_WORDS


@pytest.mark.parametrize(("title", "command"), DOORS.items())
def test_each_door_has_its_command_what_it_prints_and_a_page(title: str, command: str) -> None:
    *_, shown = re.findall(r"^    (.*)$", section(title).partition("```")[0], flags=re.MULTILINE)
    assert shown.startswith(command)
    (printed,) = re.findall(r"^```text\n(.*?)^```$", section(title), flags=re.DOTALL | re.MULTILINE)
    assert len(printed.splitlines()) <= 12
    assert "](docs/" in section(title)


def test_its_test_command_is_the_one_that_ci_runs() -> None:
    (command,) = re.findall(r"^    (.*)$", section("Tests"), flags=re.MULTILINE)
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_mathematics_come_last() -> None:
    assert TEXT.index("](docs/data.md)") < TEXT.index("](docs/library.md)") < TEXT.index("](docs/math.md)")


def test_every_command_has_a_family() -> None:
    commands = re.findall(r"(?:^    |`)artwork ([a-z]+)", TEXT, flags=re.MULTILINE)
    assert set(commands) <= set(FAMILIES)


def test_the_picture_shows_the_days_of_a_run_like_the_one_below_it() -> None:
    root = ET.parse(IMAGES / "take-rate.svg").getroot()  # noqa: S314 - our own picture
    drawn = [re.fullmatch(r"day (\d+): (.*)%", title.text or "") for title in root.iter(f"{SVG}title")]
    rates = {int(found[1]): float(found[2]) for found in drawn if found}
    printed = {
        int(day): float(rate) for day, rate in re.findall(r"^2026-01-(\d\d) +([\d.]+)%", TEXT, flags=re.MULTILINE)
    }
    assert set(printed) < set(rates) == set(range(1, 12))
    for day, rate in printed.items():  # runs differ where a busy machine lets reads miss their deadline
        assert rates[day] == pytest.approx(rate, abs=0.1)


def test_the_picture_is_drawn_from_the_document_of_the_demo() -> None:
    days = [
        {"take_rate": rate, "uniform": 0.06, "best": 0.12, "p99_ms": p99} for rate, p99 in ((0.06, 0.0), (0.1, 2.0))
    ]
    root = ET.fromstring(picture().svg(days, "thompson"))  # noqa: S314 - made above
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert titles[1:] == ["day 1: 6.00%", "day 2: 10.00%"]
    assert str(titles[0]).startswith("Take rate per day under thompson: 6.0% on day 1, 10.0% on day 2")
    first, second = root.iter(f"{SVG}circle")
    assert float(first.attrib["cy"]) > float(second.attrib["cy"])
    labels = [text.text for text in root.iter(f"{SVG}text")]
    assert {"explore: uniform picks", "live: learns every night", "uniform choice"} <= set(labels)
