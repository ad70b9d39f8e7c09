"""``artwork compare --log``: tables, JSON, the page, refusals, and policies of one's own."""

import json
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from log_live_day import log_live_day
from make_impressions import FIRST_DAY, log_days, make_generation, shorten
from shell import Called, assert_refused, call

from batch.workspace.workspace import Workspace

M = 6000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two logs: a uniform one of four arms, the last of which is the best, and one that hardly shows the others."""
    made = tmp_path_factory.mktemp("logs")
    for name, logging in (("uniform", [0.25] * 4), ("narrow", [0.997, 0.001, 0.001, 0.001])):
        random = np.random.default_rng(1)
        arms = random.choice(4, M, p=logging)
        context = random.normal(size=M)
        rates = 0.1 + 0.1 * arms + 0.05 * np.tanh(context)
        pl.DataFrame(
            {
                "timestamp": np.arange(M),
                "context_taste": context,
                "action": [f"a{arm}" for arm in arms],
                "reward": (random.random(M) < rates).astype(int),
                "pscore": np.array(logging)[arms],
            }
        ).write_parquet(made / f"{name}.parquet")
    (made / "table.csv").write_text("arm,probability\na0,0.1\na3,0.9\n")
    return made


@pytest.fixture
def here(folder: Path) -> Iterator[Path]:
    """The folder as the current one."""
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def compare(*words: str, log: str = "uniform.parquet") -> Called:
    return call("compare", "--log", log, "--resamples", "100", "--report", "out/page.html", *words)


def as_json(*words: str, log: str = "uniform.parquet") -> Any:
    answer = compare("--json", *words, log=log)
    assert answer.err.splitlines()[-1] == "values, differences and pictures: out/page.html"
    return json.loads(answer.out)


def test_all_policies_and_estimators_have_their_place(here: Path) -> None:
    answer = compare()
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert (
        lines[0] == "uniform.parquet (action=action, reward=reward, pscore=pscore, time=timestamp,"
        " context=context_taste): 6,000 impressions"
    )
    assert "policies learned from the first 3,000 impressions and are judged by the 3,000 after them" in lines[1]
    assert sum("policies are frozen at the split" in line for line in lines) == 1
    [header] = [
        line for line in lines if line.lstrip().startswith("policy") and "95% interval" in line and "dros" in line
    ]
    assert header.split() == [
        "policy",
        "dr",
        "95%",
        "interval",
        "snips",
        "ips",
        "sndr",
        "switch_dr",
        "dros",
        "dm",
        "replay",
    ]
    for policy in ("logging", "uniform", "popularity", "epsilon_greedy:epsilon=0.1", "thompson", "linucb"):
        assert any(line.split()[:1] == [policy] for line in lines)
    assert re.search(
        r"^(thompson|popularity|epsilon).* would have done better than what was logged", answer.out, re.MULTILINE
    )


def test_at_eighty_columns_no_table_is_cut_and_every_figure_is_there(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = compare().out
    monkeypatch.setenv("COLUMNS", "80")
    narrow = compare().out
    figures = re.compile(r"[+-]?\d+\.\d+%?")
    assert sorted(figures.findall(narrow.rpartition("took")[0])) == sorted(figures.findall(wide.rpartition("took")[0]))
    assert "…" not in narrow
    assert re.search(r"[+-]\d+\.\d+ points \([+-]\d+\.\d+%\)", wide)


def test_json_has_what_the_tables_have(here: Path) -> None:
    made = as_json("--policies", "uniform,thompson")
    evaluation = made["evaluation"]
    assert [result["policy"] for result in evaluation["results"]] == ["logging", "uniform", "thompson"]
    thompson = evaluation["results"][2]
    assert thompson["verdict"] == "ok"
    assert set(thompson["estimates"]) == {"dr", "snips", "ips", "sndr", "switch_dr", "dros", "dm", "replay"}
    first = thompson["estimates"]["dr"]
    assert first["lower"] < first["value"] < first["upper"]
    assert first["value"] == pytest.approx(0.4, abs=0.05)
    assert {each["policy"]: each["against"] for each in evaluation["differences"][:2]} == dict.fromkeys(
        ("uniform", "thompson"), "logging"
    )
    assert (made["learned_from"], made["judged_by"], made["impressions"]) == (3000, 3000, 6000)


def test_nothing_is_held_back_where_no_policy_learns(here: Path) -> None:
    made = as_json("--policies", "uniform,table:table.csv")
    assert (made["learned_from"], made["judged_by"]) == (0, 6000)
    table = made["evaluation"]["results"][2]
    assert table["estimates"]["snips"]["value"] == pytest.approx(0.1 * 0.1 + 0.9 * 0.4, abs=0.03)


def test_the_page_works_offline_and_says_how_to_repeat_it(here: Path) -> None:
    assert compare("--policies", "uniform,thompson", "--seed", "3", "--plan").code == 0
    page = (here / "out" / "page.html").read_text()
    assert not re.search(r"<script|http|<link|@import", page)
    assert page.index('class="verdict') < page.index("<svg")
    assert len(page.encode()) < 300_000
    assert "artwork compare --log uniform.parquet --policies uniform,thompson --resamples 100 --plan --seed 3" in page
    for title in (
        "Values",
        "Differences",
        "Overlap of log and policy",
        "At all times at once",
        "When not to trust this",
    ):
        assert f"<h2>{title}</h2>" in page


def test_a_seed_repeats_the_intervals(here: Path) -> None:
    one, same, other = (as_json("--policies", "thompson", "--seed", seed)["evaluation"] for seed in ("1", "1", "2"))
    assert one == same != other


def test_a_log_that_cannot_judge_any_policy_ends_with_1_and_its_reasons(here: Path) -> None:
    answer = compare("--policies", "table:table.csv", log="narrow.parquet")
    assert answer.code == 1
    assert re.search(
        r"^table:table.csv: insufficient overlap: effective sample size \d+ of 6,000 decisions",
        answer.out,
        re.MULTILINE,
    )
    assert answer.out.splitlines()[-2] == "table:table.csv cannot be judged by this log"
    refused = as_json("--policies", "table:table.csv", log="narrow.parquet")["evaluation"]["results"][1]["estimates"][
        "ips"
    ]
    assert (refused["value"], refused["lower"], refused["upper"]) == (None, None, None)
    assert refused["unreliable_value"] > 0


def test_thresholds_are_settings(here: Path) -> None:
    strict = compare("--policies", "uniform", "--threshold", "effective_sample_size=1e9")
    assert strict.code == 1
    assert "expected at least 1e+09" in strict.out
    assert compare("--policies", "table:table.csv", "--threshold", "effective_sample_size=1").code == 0


def test_policies_learn_by_replay(here: Path) -> None:
    made = as_json("--policies", "uniform,thompson", "--replay", "200")
    uniform, thompson = made["replayed"]
    assert uniform["kept"] == pytest.approx(1500, abs=150)
    assert thompson["value"] > uniform["value"]
    assert_refused(
        compare("--policies", "thompson", "--replay", "200", log="narrow.parquet"),
        2,
        "replay needs a log under uniform",
    )


def test_plans_tell_what_more_data_would_tell(here: Path) -> None:
    words = ("--policies", "table:table.csv", "--difference", "0.02", "--explore-share", "0.1")
    assert_refused(compare(*words), 2, "the log does not tell how many days it spans; pass --impressions-a-day")
    [plan] = as_json(*words, "--impressions-a-day", "1000")["plans"]
    assert 0.02 < plan["detectable"] < 0.1
    assert plan["days"] > 0
    assert "days of explore data" in compare(*words, "--impressions-a-day", "1000").out


OWN = """
import numpy as np
from bandit.policies import Policy


class Best(Policy):
    name = "best"

    def probabilities(self, scores, eligible=None):
        return np.eye(scores.shape[1])[np.full(scores.shape[0], 3)]


class Learned:
    def fit(self, log):
        self.arm = int(np.argmax(np.bincount(log.arms, weights=log.rewards)))

    def probabilities(self, log, title, rows):
        return np.eye(len(log.arms_of(title)))[np.full(len(rows), self.arm)]


class Broken:
    def probabilities(self, log, title, rows):
        raise RuntimeError("not today")


class Needy(Learned):
    def __init__(self, what):
        pass


class Nothing:
    pass


class Narrow:
    def probabilities(self, log, title, rows):
        return np.ones((len(rows), 1))


class Blank:
    def probabilities(self, log, title, rows):
        return np.full((len(rows), len(log.arms_of(title))), np.nan)


class Model:
    def fit(self, x, y):
        return self

    def predict(self, x):
        return np.full(len(x), np.nan)


class Short(Model):
    def predict(self, x):
        return np.zeros(1)


class Odd(Policy):
    name = "odd"

    def probabilities(self, scores, eligible=None):
        raise RuntimeError("not\\ntoday")


class Leaving:
    def __init__(self):
        raise SystemExit(7)


class Failing(Model):
    def fit(self, x, y):
        raise RuntimeError("not enough of them")


nothing = 3
"""


def test_policies_of_ones_own_are_judged_as_ours(here: Path) -> None:
    (here / "own_policies.py").write_text(OWN)
    made = as_json("--policies", "own_policies:Best,own_policies:Learned", "--floor", "0")
    assert made["learned_from"] == 3000
    for result in made["evaluation"]["results"][1:]:
        assert result["estimates"]["snips"]["value"] == pytest.approx(0.4, abs=0.05)


def test_a_policy_of_ones_own_learns_by_replay_too(here: Path) -> None:
    (here / "own_policies.py").write_text(OWN)
    [kept] = as_json("--policies", "own_policies:Best", "--replay", "300")["replayed"]
    assert kept["kept"] == pytest.approx(M / 4, rel=0.1)
    failing = compare("--policies", "own_policies:Odd", "--replay", "300")
    assert_refused(failing, 2, "own_policies:Odd", "RuntimeError: not today")


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("magic", "there is no policy 'magic'; choose one of thompson"),
        ("thompson:epsilon=1", "thompson has no parameter 'epsilon'"),
        ("epsilon_greedy:epsilon=2", "epsilon is 2.0"),
        ("uniform,uniform", "--policies names uniform twice"),
        ("", "--policies names none"),
        ("nowhere_at_all:Best", "there is no policy 'nowhere_at_all:Best'"),
        ("own_policies:Missing", "there is no policy 'own_policies:Missing'"),
        ("own_policies:Broken", "own_policies:Broken.probabilities failed: RuntimeError: not today"),
        ("own_policies:Needy", "own_policies:Needy cannot be made without arguments"),
        ("own_policies:Narrow", "policy own_policies:Narrow gives probabilities of the shape (4096, 1)"),
        ("own_policies:Blank", "row 0 of the probabilities of policy own_policies:Blank, title 0 sums to nan"),
        ("own_policies:Odd", "own_policies:Odd.probabilities failed: RuntimeError: not today"),
        ("own_policies:Leaving", "own_policies:Leaving cannot be made without arguments: SystemExit: 7"),
        ("own_policies:nothing", "own_policies:nothing is int, expected a class"),
        ("failing_module:Best", "failing_module:Best cannot be loaded: ZeroDivisionError: division by zero"),
        ("own_policies:Nothing", "own_policies:Nothing has no method probabilities(log, title, rows)"),
        ("table:nowhere.csv", "nowhere.csv is missing"),
    ],
)
def test_policies_that_cannot_be_are_refused(here: Path, policy: str, said: str) -> None:
    (here / "own_policies.py").write_text(OWN)
    (here / "failing_module.py").write_text("1 / 0\n")
    assert_refused(compare("--policies", policy), 2, said)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("own_policies:Model", "reward model own_policies:Model predicts (5400,) of 5400 rows, 0 of them finite"),
        ("own_policies:Short", "reward model own_policies:Short predicts (1,) of 5400 rows"),
        ("own_policies:Failing", "own_policies:Failing could not be fitted: RuntimeError: not enough of them"),
        ("own_policies:Needy", "own_policies:Needy could not be made: TypeError"),
        ("own_policies:Nothing", "own_policies:Nothing has no fit and predict"),
        ("failing_module:Best", "there is no reward model 'failing_module:Best': failing_module:Best cannot be loaded"),
    ],
)
def test_reward_models_that_cannot_be_are_refused(here: Path, model: str, said: str) -> None:
    (here / "own_policies.py").write_text(OWN)
    (here / "failing_module.py").write_text("1 / 0\n")
    assert_refused(compare("--policies", "uniform", "--reward-model", model), 2, said)


def test_a_page_that_cannot_be_written_is_refused_before_and_told_after(here: Path) -> None:
    (here / "folder").mkdir(exist_ok=True)
    words = ("compare", "--log", "uniform.parquet", "--policies", "uniform", "--resamples", "50", "--report")
    assert_refused(call(*words, "folder"), 2, "--report folder is a folder, expected a file such as folder/page.html")
    assert_refused(
        call(*words, "table.csv/page.html"), 2, "--report table.csv/page.html is below table.csv, which is a file"
    )
    full = call(*words, "/dev/full", "--json")
    assert full.code == 3
    assert "cannot write the page /dev/full: " in full.err
    assert json.loads(full.out)["impressions"] == M


def test_arms_go_by_their_names_in_verdicts(here: Path) -> None:
    wrong = pl.when(pl.col("action") == "a3").then(pl.col("pscore") / 2).otherwise("pscore")
    pl.read_parquet(here / "uniform.parquet").with_columns(wrong.alias("pscore")).write_parquet(here / "wrong.parquet")
    answer = compare("--policies", "table:table.csv", log="wrong.parquet")
    assert answer.code == 1
    assert "propensity calibration failed: the weights of arm a3 are" in answer.out


def test_estimators_may_have_spaces_between(here: Path) -> None:
    made = as_json("--policies", "uniform", "--estimators", " snips , ips:clip=10,", "--weight-bound", "5")
    assert list(made["evaluation"]["results"][1]["estimates"]) == ["snips", "ips:clip=10"]
    page = (here / "out" / "page.html").read_text()
    assert "--estimators snips,ips:clip=10 --resamples 100 --weight-bound 5.0" in page


def test_files_are_read_as_is_said_and_the_page_repeats_it(here: Path) -> None:
    frame = pl.read_parquet(here / "uniform.parquet").with_columns(
        pl.from_epoch(1_767_644_100 + pl.col("timestamp")).dt.to_string("%d.%m.%Y %H:%M:%S").alias("timestamp"),
        pl.when(pl.int_range(pl.len()) == 7).then(None).otherwise("context_taste").alias("context_taste"),
        x_user_id=pl.int_range(pl.len()) % 50,
    )
    for name, part in (("a", frame.head(3000)), ("b", frame.tail(3000))):
        (here / "parts").mkdir(exist_ok=True)
        part.write_csv(here / "parts" / f"{name}.csv", separator=";")
    words = ("--policies", "uniform", "--estimators", "snips")
    assert_refused(compare(*words, log="parts"), 2, "a.csv, rows counted from 0: row 0 has '05.01.2026 20:15:00'")
    said = "--time-format", "%d.%m.%Y %H:%M:%S"
    assert_refused(
        compare(*words, *said, log="parts"), 2, "a.csv, rows counted from 0: row 7 has no context_taste; fill it"
    )
    answer = compare(*words, *said, "--missing", "mean", log="parts/*.csv")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("parts/*.csv, 2 files (action=action,")
    assert "context_taste is missing in 1 of 6,000 rows, which have its mean over the log instead" in answer.out
    assert "x_user_id is left out of the contexts, because it looks like an id: its name ends in id" in answer.out
    page = (here / "out" / "page.html").read_text()
    assert "--time-format &#x27;%d.%m.%Y %H:%M:%S&#x27; --missing mean" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--log", "nowhere"), "there is no log 'nowhere'; expected workspace, one of open-bandit/random/all"),
        (("--log", "nowhere.csv"), "nowhere.csv is missing"),
        (("--log", "open-bandit/bts/kids"), "there is no log 'open-bandit/bts/kids'"),
        (("--posterior", "deep"), "there is no posterior 'deep'"),
        (("--posterior", "shared"), "the posterior shared needs features of the artworks"),
        (("--estimators", "snips,magic"), "there is no estimator 'magic'"),
        (("--reward-model", "magic"), "there is no reward model 'magic'; choose one of beta, linear"),
        (("--reward-model", "sklearn.nothing:Here"), "there is no reward model 'sklearn.nothing:Here'"),
        (("--estimators", " , "), "there are no estimators, expected at least one"),
        (("--estimators", "ips,ips:clip=inf"), "the estimator ips is there twice; name it once"),
        (("--floor", "0.7"), "the floor is 0.7, expected a share between 0 and 0.5"),
        (("--floor", "nan"), "the floor is nan"),
        (("--reward", "click"), "--reward click is for the workspace's log, and --log is uniform.parquet; leave it out"),
        (("--from", "x.zip"), "--from x.zip is for the Open Bandit Dataset, and --log is uniform.parquet"),
        (("--log", "open-bandit/bts/all", "--columns", "action=x"), "--columns action=x is for a file"),
        (("--log", "workspace", "--columns", "action=x"), "--columns action=x is for a file"),
        (("--difference", "1e-300", "--impressions-a-day", "5"), "the difference is 1e-300, expected a lead of at least 1e-09"),
        (("--explore-share", "0.2", "--plan"), "--explore-share says how long a lead takes to be found"),
        (("--replay", "500", "--policies", "table:table.csv"), "--replay is for policies that learn from scores, and --pol"),
        (("--impressions-a-day", "5"), "--impressions-a-day says how long a lead takes to be found"),
        (("--weight-bound", "0.5", "--policies", "table:table.csv"), "weight_bound is 0.5, expected a number of at least 3.6"),
        (("--split", "0"), "the split is 0.0"),
        (("--split", "0.0001"), "leaves 0 of 6000 decisions to learn from"),
        (("--level", "95"), "level is 95"),
        (("--threshold", "luck=1"), "there is no threshold 'luck'; choose one of effective_sample_size"),
        (("--threshold", "unsupported=much"), "the threshold unsupported is 'much', expected a number"),
        (("--columns", "weight=w"), "--columns has 'weight=w'"),
        (("--columns", "pscore=chance"), "no column for pscore: looked for chance"),
        (("--difference", "-1", "--impressions-a-day", "10"), "the difference is -1.0"),
        (("--world", "mars"), "there is no world 'mars'"),
        (("--missing", "median"), "--missing is 'median', expected mean or refuse"),
        (("--log", "workspace", "--missing", "mean"), "--missing mean is for a file, and --log is workspace; leave it out"),
        (("--log", "open-bandit/bts/all", "--time-format", "epoch"), "--time-format epoch is for a file, and --log is open-"),
        (("--time-format", "%H:%M"), "--time-format is '%H:%M', expected a format with a year"),
        (("--log", "nowhere*"), "no file is like nowhere*; expected a Parquet file"),
        (("--until", "tomorrow"), "--until is 'tomorrow', expected a day as YYYY-MM-DD"),
        (("--until", "2026-01-02"), "--until 2026-01-02 is for the workspace's log, and --log is uniform.parquet"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)  # fmt: skip
def test_what_is_wrong_is_refused_by_name(here: Path, words: tuple[str, ...], said: str) -> None:
    assert_refused(compare(*words), 2, said)
    assert not (here / "workspace").exists()


def test_probabilities_that_do_not_sum_to_one_are_refused(here: Path) -> None:
    (here / "wrong.csv").write_text("arm,probability\na0,0.1\na3,0.8\n")
    assert_refused(compare("--policies", "table:wrong.csv"), 2, "table table:wrong.csv, title 0: sums to 0.9")
    (here / "strange.csv").write_text("arm,probability\na9,1\n")
    assert_refused(compare("--policies", "table:strange.csv"), 2, "has the arm 'a9', which the log does not have")
    (here / "twice.csv").write_text("arm,probability\na0,1\na0,1\n")
    assert_refused(
        compare("--policies", "table:twice.csv"), 2, "twice.csv has the arm 'a0' twice; give each arm one row"
    )
    (here / "empty.csv").write_text("")
    assert_refused(compare("--policies", "table:empty.csv"), 2, "empty.csv is empty")
    (here / "null.csv").write_text("arm,probability\na0,\na1,1\n")
    assert_refused(
        compare("--policies", "table:null.csv"), 2, "null.csv: row 0 has the arm 'a0' with the probability None"
    )
    (here / "short.csv").write_text("arm\na0\n")
    assert_refused(compare("--policies", "table:short.csv"), 2, "short.csv lacks the column probability")


def test_a_table_names_arms_as_the_log_does(here: Path) -> None:
    arms = pl.col("action").replace_strict({"a0": "1.1", "a1": "1.10", "a2": "001", "a3": "1"})
    pl.read_parquet(here / "uniform.parquet").with_columns(arms).write_csv(here / "names.csv")
    (here / "names_table.csv").write_text("arm;probability\n1;0.9\n1.10;0.1\n", encoding="utf-8-sig")
    made = as_json("--policies", "table:names_table.csv", log="names.csv")
    [table] = made["evaluation"]["results"][1:]
    assert table["estimates"]["snips"]["value"] == pytest.approx(0.9 * 0.4 + 0.1 * 0.2, abs=0.03)
    for rows, said in (
        ("01;1", "has the arm '01', which the log does not have; its arms are 001, 1, 1.1, 1.10"),
        ("NA;1", "row 0 has 'NA' as arm, which stands for what is not known"),
        ("1;0,5", "row 0 has '0,5': column probability is String, expected numbers; numbers have a decimal point"),
        ("1;50%", "write a share, such as 0.05 for 5%"),
    ):
        (here / "names_table.csv").write_text(f"arm;probability\n{rows}\n")
        assert_refused(compare("--policies", "table:names_table.csv", log="names.csv"), 2, said)


@pytest.mark.parametrize("model", ["beta", "ridge", "gradient_boosting", "sklearn.tree:DecisionTreeRegressor"])
def test_reward_models_are_named(here: Path, model: str) -> None:
    pl.read_parquet(here / "uniform.parquet").head(2000).write_parquet(here / "short.parquet")
    made = as_json("--policies", "uniform", "--estimators", "dm,dr", "--reward-model", model, log="short.parquet")
    value = made["evaluation"]["results"][1]["estimates"]["dr"]["value"]
    assert value == pytest.approx(0.25, abs=0.03)
    assert made["reward_model"] == model


def test_without_a_model_the_estimators_that_need_one_are_left_out_with_a_reason(here: Path) -> None:
    answer = compare("--policies", "uniform", "--reward-model", "none")
    assert answer.code == 0
    assert "no dr: dr needs reward_estimates" in answer.out
    assert as_json("--policies", "uniform", "--reward-model", "none")["evaluation"]["estimator"] == "snips"


def test_a_log_without_propensities_is_judged_by_the_direct_method_alone(here: Path) -> None:
    pl.read_parquet(here / "uniform.parquet").drop("pscore").write_parquet(here / "bare.parquet")
    answer = compare("--policies", "uniform,thompson", log="bare.parquet")
    assert answer.code == 0, answer.err
    assert "no ips: ips needs propensities, and there are none; dm alone works without them" in answer.out
    evaluation = as_json("--policies", "uniform,thompson", log="bare.parquet")["evaluation"]
    assert set(evaluation["results"][2]["estimates"]) == {"dm"}
    assert_refused(compare("--plan", log="bare.parquet"), 2, "--plan needs propensities, and the log has none")
    assert evaluation["estimator"] == "dm"
    assert [result["overlap"] for result in evaluation["results"]] == [None] * 3
    assert "has the propensity" not in answer.out
    assert evaluation["results"][1]["estimates"]["dm"]["caution"].startswith("dm is biased")
    assert [each["caution"][:12] for each in evaluation["differences"]] == ["dm is biased"] * 3
    without = compare("--estimators", "snips", log="bare.parquet")
    assert_refused(
        without, 2, "none of the estimators snips works on this log: snips needs propensities, and there are none"
    )


def test_the_workspaces_own_log_is_the_default(workspace: Workspace, tmp_path: Path) -> None:
    shorten(workspace)
    log_days(workspace, 3, 2000)
    words = (
        "compare",
        "-w",
        str(workspace.root),
        "--policies",
        "uniform,epsilon_greedy:epsilon=0.3,halving=500,thompson",
    )
    report = ("--report", str(tmp_path / "page.html"), "--resamples", "50")
    answer = call(*words, *report, "--posterior", "shared", "--reward", "click")
    assert answer.code == 0, answer.err
    assert "6,000 impressions" in answer.out.splitlines()[0]
    assert any(line.split()[:1] == ["epsilon_greedy:epsilon=0.3,halving=500"] for line in answer.out.splitlines())


@pytest.fixture
def live(workspace: Workspace) -> Workspace:
    """Two explore days, then two on which one policy is live beside another."""
    shorten(workspace)
    log_days(workspace, 2, 3000)
    generation = make_generation(workspace, "thompson", "popularity", share=0.4)
    for number in (2, 3):
        log_live_day(workspace, FIRST_DAY + timedelta(days=number), generation, 1500)
    return workspace


def test_what_was_live_side_by_side_stands_beside_what_the_days_before_said_of_it(
    live: Workspace, tmp_path: Path
) -> None:
    words = ("compare", "-w", str(live.root), "--policies", "popularity,thompson,greedy", "--until", "2026-01-02")
    report = ("--report", str(tmp_path / "page.html"), "--resamples", "100")
    made = json.loads(call(*words, *report, "--json").out)
    [pair] = made["online"]
    assert (made["impressions"], pair["online"]["first_day"], pair["online"]["days"]) == (6000, "2026-01-03", 2)
    assert (pair["online"]["policy"]["policy"], pair["online"]["against"]["policy"]) == ("thompson", "popularity")
    assert pair["online"]["policy"]["impressions"] + pair["online"]["against"]["impressions"] == 3000
    offline = pair["offline"]
    assert offline["before"]
    estimates = {each["policy"]: each["estimates"]["dr"]["value"] for each in made["evaluation"]["results"]}
    assert (offline["policy"]["value"], offline["against"]["value"]) == (estimates["thompson"], estimates["popularity"])
    assert offline["difference"]["value"] == pytest.approx(estimates["thompson"] - estimates["popularity"])
    text = call(*words, *report).out
    [row] = [line.split() for line in text.splitlines() if line.split()[:1] == ["difference"]]
    assert row[1:3] == [f"{100 * offline['difference']['value']:+.3f}", "points"]
    assert "impressions before either was live" in text
    page = (tmp_path / "page.html").read_text()
    assert "<h2>Offline beside online</h2>" in page
    assert "--until 2026-01-02" in page


def test_without_two_live_policies_nothing_is_said_of_them(workspace: Workspace, tmp_path: Path) -> None:
    log_days(workspace, 2, 2000)
    words = ("compare", "-w", str(workspace.root), "--policies", "uniform", "--report", str(tmp_path / "page.html"))
    answer = call(*words)
    assert "online" not in answer.out
    assert "Offline beside online" not in (tmp_path / "page.html").read_text()


def test_help_has_an_example_and_every_threshold() -> None:
    text = call("compare", "--help").out
    assert "artwork compare --log open-bandit/random/all" in text
    assert "effective_rewards" in text
