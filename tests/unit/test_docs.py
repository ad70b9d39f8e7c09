"""What the README and the documents say can be done, and how they say it."""

import io
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from artwork.app import app
from service.pressure import LASTING_SECONDS, QUIET_SECONDS, Pressure
from service.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
UNRELEASED = "CHANGELOG.md"
SOURCES = ("artwork", "bandit", "batch", "docker", "loadtest", "service", "tests")
SUFFIXES = {".py", ".json", ".yml", ".toml"}
PROSE_COLUMNS = 100
PRIVATE_WORDS = re.compile(
    r"found wanting|\b(?:short|long) way\b|\bof two minds\b|\b(?:he|him|his|she|her)\b", re.IGNORECASE
)
"""Words that only we used; the field says failed, fast path and slow path, disagree, their."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OTHERS_FLAGS = {
    "--no-deps",
    "--latency-correction",
    "--h1",
    "--rps",
    "--build",
    "--profile",
    "--rm",
    "--port",
    "--targets",
}
"""Of pip, oha, h2load, docker compose, redis-server and locust; those of redis-server beside them begin with --tls."""
NAMES = re.compile(r"\b(?:ARTWORK_[A-Z_]+[A-Z]|artwork_[a-z_]+[a-z]|test_[a-z_]+[a-z])\b")
FUTURE = re.compile(r"^What comes .*?\n\n", re.DOTALL | re.MULTILINE)
"""The paragraph of the architecture about folders that have no code yet."""
MAKE = re.compile(r"(?:^    |`)make ([a-z]+)", re.MULTILINE)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code_and_output(page: Path) -> list[tuple[str, str | None]]:
    """The Python blocks of a page, each with the text block that follows it at once, or None."""
    text = page.read_text(encoding="utf-8")
    blocks = list(FENCE.finditer(text))
    pairs: list[tuple[str, str | None]] = []
    for block, following in zip_longest(blocks, blocks[1:]):
        if block[1] == "python":
            is_output = (
                following is not None and following[1] == "text" and not text[block.end() : following.start()].strip()
            )
            pairs.append((block[2], following[2] if is_output and following is not None else None))
    return pairs


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are no table, no code and no heading, with their numbers."""
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        fenced ^= line.startswith("```")
        if not (fenced or line.startswith(("```", "    ", "|", "#", "![", "<"))):
            yield number, line


def command_lines(page: Path) -> list[str]:
    """Commands of ours, in blocks and in sentences, as somebody would type them."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"(?:^(?:    |\$ )?(?:[A-Z_]+=\S+ )*|`)(artwork(?: [^#`\n]+)?)", text, flags=re.MULTILINE)
    return sorted({re.split(r" {3,}| [>|] ", line)[0].strip() for line in found if "COMMAND" not in line})


def plain_words(text: str) -> str:
    return re.sub(r"`[^`]*`", "", text)


def with_code(pages: list[Path]) -> list[Path]:
    return [page for page in pages if code_and_output(page)]


@pytest.mark.parametrize("page", with_code(PAGES), ids=name)
def test_python_blocks_run_one_after_the_other_and_print_what_stands_below_them(page: Path) -> None:
    names: dict[str, Any] = {}
    for code, output in code_and_output(page):
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(code, name(page), "exec"), names)  # noqa: S102 - our own page
        assert printed.getvalue() == (output or "")


@pytest.mark.parametrize(("page", "line"), [(page, line) for page in PAGES for line in command_lines(page)])
def test_commands_exist_and_take_what_they_are_shown_with(page: Path, line: str) -> None:
    words = shlex.split(line.replace(" ...", ""))[1:]
    command: Any = get_command(app)
    path = "artwork"
    while words and hasattr(command, "get_command") and not words[0].startswith("-"):
        path += f" {words[0]}"
        command = command.get_command(None, words.pop(0))
        assert command is not None, f"{name(page)} shows {line!r}: there is no command {path}"
    if words:
        with command.make_context(
            path, words, resilient_parsing=bool({"--help", "--version", "--install-completion"} & {*words})
        ):
            pass  # every option is known, and takes the value that it is given


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_flags_in_sentences_are_flags_of_some_command(page: Path) -> None:
    text = "\n".join(re.findall(r"`[^`\n]*`", page.read_text(encoding="utf-8")))
    flags = {flag for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text) if not flag.startswith("--tls")}
    assert flags - OTHERS_FLAGS - all_flags() == set()


@cache
def all_flags() -> set[str]:
    """Flags of any command, and of what is started as ``python -m``."""
    return known_flags(get_command(app)) | {"--help", "--debug"} | set(module_flags())


def known_flags(command: Any) -> set[str]:
    own = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    names = command.list_commands(None) if hasattr(command, "list_commands") else []
    below = [known_flags(command.get_command(None, each)) for each in names]
    return own.union(*below)


def module_flags() -> list[str]:
    """Flags of what is started as ``python -m``."""
    text = "".join(
        (ROOT / place).read_text(encoding="utf-8")
        for place in ("service/keys.py", "loadtest/command.py", "tests/containers/try_compose.py")
    )
    return re.findall(r'"(--[a-z-]+)"', text)


def test_where_a_change_begins_is_a_file() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    [table] = re.findall(r"\| to change \| begin in \|\n\|[-|]+\|\n((?:\|.*\n)+)", page)
    begin = re.findall(r"`([^`]+)`", table)
    assert len(begin) >= table.count("\n") > 9
    assert [path for path in begin if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in MAKE.findall(page.read_text(encoding="utf-8")):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


@pytest.fixture(scope="module")
def sources() -> str:
    files = [path for folder in SOURCES for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    files += [ROOT / "docker-compose.yml", ROOT / "pyproject.toml"]
    return "\n".join(path.read_text(encoding="utf-8") for path in files if path.name != Path(__file__).name)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_variables_metrics_and_tests_that_are_named_exist(page: Path, sources: str) -> None:
    named = set(NAMES.findall(page.read_text(encoding="utf-8")))
    stems = {re.sub(r"^ARTWORK_|^artwork_|_(?:total|bucket|count|sum)$", "", each) for each in named}
    files = " ".join(path.stem for path in (ROOT / "tests").rglob("*.py"))
    assert {
        stem for stem in stems if not any(stem in text for text in (sources, files)) and stem.lower() not in sources
    } == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    text = FUTURE.sub("", page.read_text(encoding="utf-8"))
    paths = re.findall(r"`((?:artwork|bandit|batch|docker|docs|loadtest|requirements|service|tests)/[\w./*-]*)`", text)
    assert [path for path in paths if not list(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / UNRELEASED], ids=name)
def test_prose_keeps_to_its_columns_and_to_plain_words(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == UNRELEASED:
        text = text.partition("\n## Unreleased")[2].partition("\n## ")[0]
    lines = dict(prose(text))
    assert {number: line for number, line in lines.items() if len(line) > PROSE_COLUMNS} == {}
    assert PRIVATE_WORDS.findall(plain_words(text)) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_pip_is_told_to_install_is_in_the_repository_or_somebody_elses(page: Path) -> None:
    for words in re.findall(r"pip install ([^`#\n]+)", page.read_text(encoding="utf-8")):
        assert "artwork-bandit" not in words  # no index has it
        assert all((ROOT / path).exists() for path in re.findall(r"-r (\S+)", words))


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_of_the_service_stands_in_its_table_with_its_default(name: str) -> None:
    page = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    row = re.search(rf"^\|[^|]*`ARTWORK_{name.upper()}`[^|]*\|([^|]*)\|", page, flags=re.MULTILINE)
    assert row is not None
    default = Settings.model_fields[name].default
    if isinstance(default, int | float):
        assert f"{default:g}" in re.findall(r"[\d.]+", row[1]) or str(default) in re.findall(r"[\d.]+", row[1])


def test_the_page_of_the_service_has_the_bounds_that_refusals_go_by() -> None:
    page = (
        (ROOT / "docs" / "service.md")
        .read_text(encoding="utf-8")
        .partition("## Requests in progress")[2]
        .partition("## ")[0]
    )
    bound = Settings.model_fields["max_waiting"].default
    low = Pressure(bound).low
    assert bound == 4 * low
    assert f"({bound} by default)" in page
    assert f"a quarter ({low})" in " ".join(page.split())
    assert f"{LASTING_SECONDS * 1000:g} ms" in page
    assert QUIET_SECONDS == LASTING_SECONDS


def test_the_names_in_the_table_of_symbols_exist(sources: str) -> None:
    symbols = (ROOT / "docs" / "math.md").read_text(encoding="utf-8").partition("## Posteriors")[0]
    names = {word for code in re.findall(r"`([^`]+)`", symbols) for word in re.findall(r"[A-Za-z_]{3,}", code)}
    assert {word for word in names if not re.search(rf"\b{word}\b", sources)} == set()
