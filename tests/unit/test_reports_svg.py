"""Charts of reports as SVG."""

import re
from xml.etree import ElementTree

import pytest

from artwork.reports.pages import page, style
from artwork.reports.svg import Axis, Chart, Rule, Series, chart_html

NASTY = "<script>alert(1)</script> & \"quotes\" 'too' ]]>"


X, Y = Axis("x"), Axis("y")


def chart(*series: Series, x: Axis = X, y: Axis = Y, rules: tuple[Rule, ...] = ()) -> Chart:
    return Chart("Title", series, x, y, rules)


def tree(made: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(chart_html(made))  # noqa: S314 - our own output


def places(made: Chart, tag: str, *names: str) -> list[tuple[float, ...]]:
    return [tuple(float(each.attrib[name]) for name in names) for each in tree(made).iter(tag) if "r" in each.attrib]


@pytest.mark.parametrize("kind", ["line", "points", "both", "bars"])
def test_names_that_look_like_markup_are_text(kind: str) -> None:
    made = chart(
        Series(NASTY, [0.0, 1.0], [1.0, 2.0], 0, kind, texts=(NASTY, NASTY)),  # type: ignore[arg-type]
        Series("other", [0.0, 1.0], [2.0, 1.0], 1, kind),  # type: ignore[arg-type]
        x=Axis(NASTY, labels=(NASTY, "b")),
        rules=(Rule(y=1.0, words=NASTY),),
    )
    assert "<script>" not in chart_html(made)
    assert NASTY in "".join(tree(made).itertext())


def test_a_chart_without_values_is_left_out() -> None:
    assert chart_html(chart(Series("none", [], [], 0), Series("no number", [1.0], [float("nan")], 1))) == ""


@pytest.mark.parametrize(
    ("values", "axis"),
    [
        ([5.0], Axis("y")),
        ([0.0, 0.0], Axis("y")),
        ([-3.0, -3.0], Axis("y")),
        ([1e-9, 1e12], Axis("y")),
        ([1e-4, 10.0], Axis("y", is_log=True)),
        ([7.0], Axis("y", is_log=True)),
        ([0.0, 5.0], Axis("y", is_log=True)),
        ([float("inf"), 1.0], Axis("y", low=0.0, high=2.0)),
        ([float("nan"), float("-inf"), 3.0], Axis("y")),
    ],
)
def test_awkward_values_still_give_a_picture_with_ticks_whose_numbers_are_numbers(
    values: list[float], axis: Axis
) -> None:
    made = chart_html(chart(Series("s", list(map(float, range(len(values)))), values, 0, "both"), y=axis))
    drawn, _, _ = made.partition("<details")
    assert not re.search(r'="[^"]*(nan|inf)', drawn)
    assert re.search(r'class="tick"[^>]*>[-\d.,e+]+</text>', made)


def test_points_lie_where_the_axis_says() -> None:
    made = chart(Series("s", [0.0, 5.0, 10.0], [0.0, 5.0, 10.0], 0, "points"), x=Axis("x", low=0, high=10))
    (left, low), (middle, half), (right, high) = places(made, "circle", "cx", "cy")
    assert middle == pytest.approx((left + right) / 2, abs=0.1)
    assert low > half > high
    assert half == pytest.approx((low + high) / 2, abs=0.2)


def test_a_logarithmic_axis_has_its_decades_at_equal_distances() -> None:
    made = chart(Series("s", [0.0, 1.0, 2.0], [1.0, 10.0, 100.0], 0, "points"), y=Axis("y", is_log=True))
    (_, one), (_, ten), (_, hundred) = places(made, "circle", "cx", "cy")
    assert one - ten == pytest.approx(ten - hundred, abs=0.2)


@pytest.mark.parametrize("values", [[1.0, 8.0], [0.4, 31.0], [3.0, 4.0], [1e-4, 2e3]])
def test_a_logarithmic_axis_has_a_handful_of_ticks(values: list[float]) -> None:
    made = tree(chart(Series("s", [0.0, 1.0], values, 0), y=Axis("y", is_log=True)))
    ticks = [each for each in made.iter("text") if each.attrib.get("text-anchor") == "end"]
    assert 1 <= len(ticks) <= 10


def test_the_table_behind_has_values_intervals_and_labels() -> None:
    made = chart(
        Series("s", [0.1], [1.0], 0, "points", x_ends=[(0.05, 0.2)]),
        y=Axis("policy", labels=("thompson", "greedy")),
    )
    cells = [each.text for each in tree(made).iter("td")]
    assert cells == ["s", "0.1", "greedy", "0.05", "0.2"]


def test_a_long_line_is_drawn_whole_and_told_in_part() -> None:
    many = 5000
    made = chart(Series("s", list(map(float, range(many))), [float(at % 97) for at in range(many)], 0))
    rows = len(list(tree(made).iter("tr"))) - 1
    assert 30 <= rows <= 60
    assert len(chart_html(made)) < 100_000


def test_a_page_has_the_tokens_of_the_page_for_dark_and_light_and_no_script() -> None:
    made = page("title", ["<p>text</p>"])
    assert "--ground:" in style()
    assert "prefers-color-scheme: light" in style()
    assert "<script" not in made
    assert len(made) < 30_000
