"""Plans of experiments: what their door lets through, what it refuses by name, and what their digest is of."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from bandit.errors import InputError
from batch.experiments.plans.checks import checked_plan
from batch.experiments.plans.file import plan_path, read_plan, toml, write_new
from batch.experiments.plans.plan import differences, plain
from batch.experiments.register import plan_of
from batch.workspace.workspace import Workspace

HEAD = """
hypothesis = "It works."
start = 2026-01-05
end = 2026-01-18
smallest_effect = 0.01
"""
VARIANTS = """
[[variants]]
name = "control"
share = 0.5
policy = "thompson"
[[variants]]
name = "bold"
share = 0.5
policy = "epsilon_greedy:epsilon=0.3"
"""
METRICS = """
[[metrics]]
name = "take rate"
role = "primary"
of = "take"
"""
TABLE_VARIANTS = """
[[variants]]
name = "a"
share = 0.5
[[variants]]
name = "b"
share = 0.5
"""


def parsed(text: str) -> object:
    return checked_plan("x", tomllib.loads(text), "x.toml")


def refusal(text: str) -> str:
    with pytest.raises(InputError) as refused:
        parsed(text)
    return str(refused.value)


def test_a_plan_has_defaults_for_what_it_leaves_out() -> None:
    plan = checked_plan("x", tomllib.loads(HEAD + VARIANTS + METRICS), "x.toml")
    assert (plan.level, plan.power, plan.looks, plan.layer, plan.unit) == (
        0.95,
        0.8,
        (date(2026, 1, 18),),
        "picks",
        "user",
    )
    assert plan.names == ("control", "bold")
    assert plan.metrics[0].per == "impression"
    assert plan.config.names == ("control", "bold")
    assert plan.config.salt == "x"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("hypothesis", "hypothesys"), r"'hypothesys' is no key.*hypothesis is missing"),
        (('"It works."', '""'), "hypothesis is ''"),
        (("start = 2026-01-05", "start = '2026-01-05'"), "start is '2026-01-05', expected a day such as"),
        (("start = 2026-01-05", "start = 2026-01-05T00:00:00"), "start is 2026-01-05 00:00:00"),
        (("end = 2026-01-18", "end = 2026-01-01"), "end is 2026-01-01 and start 2026-01-05"),
        (("end = 2026-01-18", "end = 2028-01-18"), "at most 366 days"),
        (("smallest_effect = 0.01", "smallest_effect = 0"), "smallest_effect is 0, expected a number above 0"),
        (("smallest_effect = 0.01", "smallest_effect = true"), "smallest_effect is True"),
        (("smallest_effect = 0.01", "smallest_effect = nan"), "smallest_effect is nan"),
        (("smallest_effect = 0.01", "smallest_effect = 0.01\nlevel = 95"), "level is 95"),
        (("smallest_effect = 0.01", "smallest_effect = 0.01\nunit = 'impression'"), "unit is 'impression', expected \"user\""),
        (("smallest_effect = 0.01", "smallest_effect = 0.01\nlooks = [2026-01-07]"), "the last of which is the end"),
        (("smallest_effect = 0.01", "smallest_effect = 0.01\nlooks = [2026-01-18, 2026-01-07]"), "days in order"),
        (
            ("end = 2026-01-18", "end = 2026-12-31\nlooks = [2026-01-05, 2026-12-31]"),
            "looks have 2026-01-05, so early that obrien_fleming leaves nothing",
        ),
        (("smallest_effect = 0.01", "smallest_effect = 0.01\nspending = 'power:-1'"), "spending is 'power:-1'"),
        (("smallest_effect = 0.01", "smallest_effect = 0.01\nspending = 'power:nan'"), "spending is 'power:nan'"),
        (("smallest_effect = 0.01", "smallest_effect = 0.01\nwindow = 15"), "window is 15 days"),
        (("smallest_effect = 0.01", "smallest_effect = 0.01\nholdback = 0.1"), "holdback is not 0"),
        (("smallest_effect = 0.01", "smallest_effect = 0.01\ntraffic = [0.0, 0.5]"), "traffic is not the whole layer"),
        (("smallest_effect = 0.01", "smallest_effect = 0.01\nsegments = ['age']"), "segments has age"),
        (("smallest_effect = 0.01", "smallest_effect = 0.01\nsource = 'elsewhere'"), "source is 'elsewhere'"),
        (("share = 0.5\npolicy = \"thompson\"", "share = 0.4\npolicy = \"thompson\""), "add up to 0.9, expected 1"),
        (('name = "bold"', 'name = "control"'), "two variants have the name control"),
        (('name = "bold"', 'name = "b o"'), "name is 'b o'"),
        (('"epsilon_greedy:epsilon=0.3"', '"magic"'), "magic"),
        (('"epsilon_greedy:epsilon=0.3"', '"greedy"\nreward = "magic"'), "magic"),
        (('"epsilon_greedy:epsilon=0.3"', '"greedy"\nfloor = 0.7'), "floor is 0.7"),
        (('of = "take"', 'of = "minutes"'), "of is 'minutes', expected \"impression\" or a reward"),
        (('of = "take"', 'of = "take"\nper = "visit"'), "per is 'visit'"),
        (('role = "primary"', 'role = "main"'), "role is 'main', expected one of primary, guardrail, proxy"),
        (('role = "primary"', 'role = "proxy"'), "no metric has the role primary"),
        (('role = "primary"', 'role = "guardrail"'), "margin is missing"),
        (('of = "take"', 'of = "take"\nmargin = 0.1'), "margin is that of guardrails"),
        (('of = "take"', 'of = "take"\ncovariate = "before"'), "covariate is 'before', expected 1 to 366 days"),
        (('of = "take"', 'of = "take"\ndirection = "left"'), "direction is 'left'"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_refused_by_name(change: tuple[str, str], said: str) -> None:
    text = (HEAD + VARIANTS + METRICS).replace(*change, 1)
    assert text != HEAD + VARIANTS + METRICS
    assert re.search(re.escape(said) if "*" not in said else said, refusal(text))


def test_everything_that_is_wrong_is_told_at_once() -> None:
    text = refusal("start = 1\n" + VARIANTS.replace("0.5", "2") + METRICS.replace("take", "x"))
    for key in (
        "hypothesis is missing",
        "start is 1",
        "end is missing",
        "smallest_effect is missing",
        "share is 2",
        "of is 'x'",
    ):
        assert key in text


@pytest.mark.parametrize(
    "text", ["variants = 3\nmetrics = 4", "variants = [1, 2]\nmetrics = ['x']", "[variants]\n[metrics]"]
)
def test_tables_that_are_none_are_refused(text: str) -> None:
    assert "variants" in refusal(HEAD + text)


def test_a_plan_of_a_table_has_columns_and_a_layer_of_its_own() -> None:
    plan = checked_plan(
        "x",
        tomllib.loads(HEAD + 'source = "table"\n' + TABLE_VARIANTS + METRICS.replace('"take"', '"minutes"')),
        "x.toml",
    )
    assert (plan.layer, plan.metrics[0].of, plan.metrics[0].per, plan.variants[0].live) == (
        "x",
        "minutes",
        "user",
        None,
    )
    assert "layer is picks" in refusal(HEAD + 'source = "table"\nlayer = "picks"\n' + TABLE_VARIANTS + METRICS)
    assert "'policy' is no key" in refusal(HEAD + 'source = "table"\n' + VARIANTS + METRICS)


def test_the_digest_is_of_the_content_and_not_of_the_layout() -> None:
    one = checked_plan("x", tomllib.loads(HEAD + VARIANTS + METRICS), "x.toml")
    other = checked_plan(
        "x", tomllib.loads("# a comment\n" + HEAD.replace("0.01", "1e-2") + METRICS + VARIANTS), "x.toml"
    )
    changed = checked_plan("x", tomllib.loads(HEAD.replace("0.01", "0.02") + VARIANTS + METRICS), "x.toml")
    assert one.digest == other.digest != changed.digest
    assert differences(plain(one), plain(changed)) == ["smallest_effect: 0.01 -> 0.02"]


def test_a_plan_comes_back_from_its_form_in_the_register() -> None:
    plan = checked_plan("x", tomllib.loads(HEAD + "segments = ['device']\n" + VARIANTS + METRICS), "x.toml")
    assert plan_of(plain(plan)) == plan


@pytest.mark.parametrize("text", ['a "quoted" word', "back\\slash", "zwölf ü", "tab\tand\nline", "\x7f", "😀"])
def test_what_is_written_as_toml_is_read_as_it_was(text: str) -> None:
    content = {
        "text": text,
        "day": date(2026, 1, 5),
        "numbers": [1, 2.5, 1e-9],
        "yes": True,
        "tables": [{"name": text}],
    }
    assert tomllib.loads(toml(content)) == content


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a b", "x" * 65, "y.toml"])
def test_a_name_that_could_be_no_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no name of an experiment"):
        plan_path(Workspace(tmp_path), name)


@pytest.mark.parametrize(
    ("content", "said"), [(b"\xff\xfe", "UTF-8"), (b"a = = b", "is not TOML"), (b"x = [" * 500, "is not TOML")]
)
def test_a_file_that_is_no_plan_is_refused_with_its_path(content: bytes, said: str, tmp_path: Path) -> None:
    path = plan_path(Workspace(tmp_path), "x")
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as refused:
        read_plan(Workspace(tmp_path), "x")
    assert str(path) in str(refused.value)


def test_a_missing_plan_names_those_that_are_there(tmp_path: Path) -> None:
    there = Workspace(tmp_path)
    write_new(there, "known", tomllib.loads(HEAD + VARIANTS + METRICS), {})
    with pytest.raises(InputError, match="there are known"):
        read_plan(there, "other")
    with pytest.raises(InputError, match="is there already"):
        write_new(there, "known", tomllib.loads(HEAD + VARIANTS + METRICS), {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('of = "minutes"', 'of = "variant"'), "of is 'variant'"),
        (('of = "minutes"', 'of = "user"'), "of is 'user'"),
        (('of = "minutes"', 'of = "minutes"\ncovariate = "user"'), "covariate is 'user'"),
        (('of = "minutes"', 'of = "minutes"\nper = "day"'), "per is 'day'"),
        (('source = "table"', 'source = "table"\nsegments = ["variant"]'), "segments has variant"),
        (('source = "table"', 'source = "table"\nsegments = ["a", "a"]'), "two segments have the name a"),
    ],
)
def test_columns_that_a_table_has_for_itself_are_no_metrics(change: tuple[str, str], said: str) -> None:
    text = HEAD + 'source = "table"\n' + TABLE_VARIANTS + METRICS.replace('"take"', '"minutes"')
    assert said in refusal(text.replace(*change, 1))


INTERLEAVED = VARIANTS.replace("share = 0.5\n", "")
KIND = 'kind = "interleaving"\n'


def test_an_interleaving_has_the_usual_splits_or_its_own_and_no_shares_of_users() -> None:
    usual = checked_plan("x", tomllib.loads(KIND + HEAD + INTERLEAVED + METRICS), "x.toml")
    assert usual.splits == usual.config.splits == (0.5, 0.1)
    own = checked_plan("x", tomllib.loads(KIND + "splits = [0.25]\n" + HEAD + INTERLEAVED + METRICS), "x.toml")
    assert own.splits == (0.25,)
    assert own.digest != usual.digest
    assert plan_of(plain(own)) == own


def test_plans_without_splits_have_the_digest_that_they_had_before_there_were_any() -> None:
    plan = checked_plan("x", tomllib.loads(HEAD + VARIANTS + METRICS), "x.toml")
    assert "splits" not in plain(plan)
    assert plan_of(plain(plan)) == plan


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (KIND + HEAD + VARIANTS + METRICS, "'share' is no key"),
        (KIND + HEAD + INTERLEAVED + INTERLEAVED + METRICS, "variants are 4, expected two"),
        (KIND + HEAD + INTERLEAVED + METRICS + 'per = "user"\n', "has both variants"),
        (KIND + HEAD + INTERLEAVED + METRICS + "covariate = 7\n", "compared with themselves"),
        (KIND + HEAD + INTERLEAVED + METRICS.replace('"take"', '"diversity"'), "is of diversity"),
        (
            KIND + HEAD + INTERLEAVED + METRICS.replace('"take"', '"weighted_sum:take=0.9,diversity=0.1"'),
            "is of diversity",
        ),
        (KIND + "window = 3\n" + HEAD + INTERLEAVED + METRICS, "window is not read"),
        (KIND + 'segments = ["device"]\n' + HEAD + INTERLEAVED + METRICS, "segments is not read"),
        (KIND + 'layer = "page"\n' + HEAD + INTERLEAVED + METRICS, "layer picks"),
        (KIND + 'source = "table"\n' + HEAD + INTERLEAVED + METRICS, "layer picks"),
        (KIND + "splits = []\n" + HEAD + INTERLEAVED + METRICS, "splits is [], expected"),
        (KIND + "splits = [0.5, 1.0]\n" + HEAD + INTERLEAVED + METRICS, "splits is [0.5, 1.0], expected"),
        (KIND + "splits = [true]\n" + HEAD + INTERLEAVED + METRICS, "splits is [True], expected"),
        (KIND + "splits = [nan]\n" + HEAD + INTERLEAVED + METRICS, "splits is [nan], expected"),
        (KIND + f"splits = {[0.5] * 9}\n" + HEAD + INTERLEAVED + METRICS, "splits is"),
        ('kind = "mixed"\n' + HEAD + VARIANTS + METRICS, "kind is 'mixed', expected one of ab, interleaving"),
        ("splits = [0.5]\n" + HEAD + VARIANTS + METRICS, "splits are those of an interleaving"),
    ],
)
def test_what_is_no_interleaving_is_refused_by_name(text: str, said: str) -> None:
    assert said in refusal(text)


def test_a_plan_that_keeps_no_picks_has_the_digest_of_before_there_was_stickiness() -> None:
    of = {
        text: checked_plan("x", tomllib.loads(HEAD + VARIANTS + text + METRICS), "x.toml")
        for text in ("", "stickiness = 0\n", "stickiness = 0.5\n", "stickiness = 0.5\nstickiness_margin = 0.1\n")
    }
    digests = {text: plan.digest for text, plan in of.items()}
    assert digests[""] == digests["stickiness = 0\n"] == "00598a9c8ac0e82cb6a82ec3db6c9ba1"
    assert len(set(digests.values())) == 3
    assert [arm.live.stickiness for arm in of["stickiness = 0.5\n"].variants if arm.live] == [0.0, 0.5]
    assert "stickiness is 1" in refusal(HEAD + VARIANTS + "stickiness = 1.0\n" + METRICS)
