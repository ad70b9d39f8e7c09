"""The files of the page are installed with it, obey its Content-Security-Policy, and lead nowhere else."""

import re
import tomllib
from pathlib import Path

import pytest

from artwork.web.app import PAGES, STATIC

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in STATIC.rglob("*") if path.is_file())
TEXTS = [path for path in FILES if path.suffix in {".html", ".css", ".js", ".svg"}]
NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/1999/xhtml")


def name(path: Path) -> str:
    return str(path.relative_to(STATIC))


def test_every_file_of_the_page_is_package_data() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["artwork.web"]
    installed = {path for pattern in declared for path in STATIC.parent.glob(pattern)}
    assert set(FILES) <= installed
    assert {STATIC / page for page in PAGES.values()} <= installed


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_no_file_names_an_address_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    addresses = re.findall(r"""(?:https?:)?//[\w.-]+\.\w{2,}[^\s"'`)]*""", code)
    assert [address for address in addresses if not address.startswith(NAMESPACES)] == []
    assert "@import" not in text


@pytest.mark.parametrize("path", [path for path in TEXTS if path.suffix in {".html", ".svg"}], ids=name)
def test_no_page_has_a_script_or_a_style_inside(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|javascript:", text, re.IGNORECASE) == []


@pytest.mark.parametrize("path", [path for path in TEXTS if path.suffix == ".js"], ids=name)
def test_no_script_makes_code_or_markup_of_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert (
        re.findall(r"\beval\(|\bnew Function\b|\.(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write", text) == []
    )
