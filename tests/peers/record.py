"""What other packages make of a few small arrays: `tests/fixtures/peers.json`.

    python3.11 tests/peers/record.py

Every peer is installed into an environment of its own, below a folder of the temporary directory (or `PEERS`, if that is set),
and asked by this script there; of ours nothing is imported. The file has the arrays, and the values of each peer with its
version. A peer that cannot be installed keeps the values that are there.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "fixtures" / "peers.json"
PEERS = {
    "statsmodels": ["statsmodels"],
    "gbstats": ["gbstats", "numpy==1.26.4"],
    "spotify-confidence": ["spotify-confidence"],
    "pyfixest": ["pyfixest"],
    "rdrobust": ["rdrobust"],
}


def arrays() -> dict[str, Any]:
    """Small data of every kind, rounded so that JSON has them exactly."""
    drawn = random.Random(20261128)

    def gammas(count: int, mean: float) -> list[float]:
        return [round(drawn.gammavariate(2.0, mean / 2), 3) for _ in range(count)]

    treatment, control = gammas(40, 2.4), gammas(55, 2.0)
    shown = [[drawn.randint(1, 30) for _ in values] for values in (treatment, control)]
    taken = [
        [sum(drawn.random() < rate for _ in range(count)) for count in counts]
        for counts, rate in zip(shown, (0.3, 0.2), strict=True)
    ]
    before = [[round(value + drawn.gauss(0, 1), 3) for value in values] for values in (treatment, control)]
    cells = [(unit, time) for unit in range(10) for time in range(6) if (unit, time) not in {(1, 2), (4, 5), (7, 0)}]
    levels = [drawn.gauss(0, 1) for _ in range(10)]
    treated = [int(unit % 2 == 0 and time >= 3) for unit, time in cells]
    outcomes = [
        round(levels[unit] + 0.3 * time + 0.8 * is_treated + drawn.gauss(0, 0.5), 3)
        for (unit, time), is_treated in zip(cells, treated, strict=True)
    ]
    scores = [round(drawn.uniform(-1, 1), 2) for _ in range(150)]  # some are equal
    jumps = [round(0.8 * score**2 + (score >= 0.1) + drawn.gauss(0, 0.4), 3) for score in scores]
    return {
        "treatment": treatment,
        "control": control,
        "shown": shown,
        "taken": taken,
        "before": before,
        "p_values": [0.001, 0.3, 0.012, 0.04, 0.04, 1.0, 0.0, 0.2],
        "counts": [480, 290, 230],
        "shares": [0.5, 0.3, 0.2],
        "effects": [0.5, 0.1, -0.2, 0.9, 0.3],
        "errors": [0.1, 0.2, 0.15, 0.3, 0.1],
        "rates": [[0.05, 0.005], [0.1, 0.02], [0.3, -0.05]],
        "margin": 1.2,
        "information": [0.2, 0.35, 0.7, 1.0],
        "tuning": 200,
        "panel": {
            "outcomes": outcomes,
            "units": [unit for unit, _ in cells],
            "times": [time for _, time in cells],
            "treated": treated,
        },
        "jump": {
            "outcomes": jumps,
            "scores": scores,
            "cutoff": 0.1,
            "bandwidths": [[0.4, 0.7], [0.5, 0.5], [0.6, 0.3]],
        },
    }


def statsmodels(data: dict[str, Any]) -> dict[str, Any]:
    """Welch, TOST, corrections, sample sizes, random effects, and the panel with a dummy for each level."""
    import numpy as np  # noqa: PLC0415 - of the peer's environment

    weights, multiple = import_module("statsmodels.stats.weightstats"), import_module("statsmodels.stats.multitest")
    proportion, meta = import_module("statsmodels.stats.proportion"), import_module("statsmodels.stats.meta_analysis")
    means = weights.CompareMeans.from_data(data["treatment"], data["control"])
    _, p_value, degrees = means.ttest_ind(usevar="unequal")
    random_effects = meta.combine_effects(
        np.array(data["effects"]), np.array(data["errors"]) ** 2, method_re="iterated", atol=1e-14, maxiter=1000
    )
    panel = {name: np.array(values) for name, values in data["panel"].items()}
    dummies = [(panel[name][:, None] == np.unique(panel[name])).astype(float) for name in ("units", "times")]
    design = np.hstack([panel["treated"][:, None], dummies[0], dummies[1][:, 1:]])
    least_squares = import_module("statsmodels.api").OLS(panel["outcomes"], design)
    fit = least_squares.fit(cov_type="cluster", cov_kwds={"groups": panel["units"]}, use_t=True)
    return {
        "mean": {
            "p_value": p_value,
            "degrees": degrees,
            "standard_error": means.std_meandiff_separatevar,
            "interval": means.tconfint_diff(usevar="unequal"),
        },
        "equivalence": weights.ttost_ind(
            data["treatment"], data["control"], -data["margin"], data["margin"], usevar="unequal"
        )[0],
        "adjusted": {
            method: multiple.multipletests(data["p_values"], method=method)[1].tolist()
            for method in ("holm", "fdr_bh", "bonferroni")
        },
        "sample_sizes": [
            proportion.samplesize_proportions_2indep_onetail(diff=lift, prop2=rate, power=0.8)
            for rate, lift in data["rates"]
        ],
        "random_effects": {
            "variance": random_effects.tau2,
            "mean": random_effects.mean_effect_re,
            "q": random_effects.q,
        },
        "panel": {"value": fit.params[0], "standard_error": fit.bse[0], "columns": design.shape[1]},
    }


def gbstats(data: dict[str, Any]) -> dict[str, Any]:
    """Means, ratios and a covariate, absolute and relative, once and at any time."""
    statistics, tests = import_module("gbstats.models.statistics"), import_module("gbstats.frequentist.tests")

    def sums(values: list[float]) -> Any:
        return statistics.SampleMeanStatistic(n=len(values), sum=sum(values), sum_squares=sum(y * y for y in values))

    def ratio(numerators: list[float], denominators: list[float]) -> Any:
        together = sum(y * n for y, n in zip(numerators, denominators, strict=True))
        return statistics.RatioStatistic(
            n=len(numerators),
            m_statistic=sums(numerators),
            d_statistic=sums(denominators),
            m_d_sum_of_products=together,
        )

    def adjusted(values: list[float], before: list[float]) -> Any:
        return statistics.RegressionAdjustedStatistic(
            n=len(values),
            post_statistic=sums(values),
            pre_statistic=sums(before),
            post_pre_sum_of_products=sum(y * x for y, x in zip(values, before, strict=True)),
            theta=0.0,
        )

    values = data["treatment"], data["control"]
    kinds = {
        "mean": [sums(each) for each in values],
        "ratio": [ratio(*each) for each in zip(data["taken"], data["shown"], strict=True)],
        "covariate": [adjusted(*each) for each in zip(values, data["before"], strict=True)],
    }
    theta = statistics.compute_theta(kinds["covariate"][1], kinds["covariate"][0])
    for each in kinds["covariate"]:
        each.theta = theta
    told: dict[str, Any] = {}
    for kind, (treatment, control) in kinds.items():
        for difference in ("absolute", "relative"):
            once = tests.TwoSidedTTest(control, treatment, tests.FrequentistConfig(difference_type=difference))
            settings = tests.SequentialConfig(difference_type=difference, sequential_tuning_parameter=data["tuning"])
            always = tests.SequentialTwoSidedTTest(control, treatment, settings)
            told[f"{kind}, {difference}"] = {
                "value": once.point_estimate,
                "standard_error": once.variance**0.5,
                "interval": once.confidence_interval,
                "p_value": once.p_value,
                "sequence": always.confidence_interval,
                "sequence_p_value": always.p_value,
            }
    return told


def spotify_confidence(data: dict[str, Any]) -> dict[str, Any]:
    """Bounds of the power family."""
    import numpy as np  # noqa: PLC0415 - of the peer's environment

    solver = import_module("spotify_confidence.analysis.frequentist.sequential_bound_solver")
    information = np.array(data["information"])
    return {
        f"power:{power}": solver.bounds(information, 0.05, power, 8, 2, max_nints=2000).bounds.tolist()
        for power in (1, 2, 3)
    }


def pyfixest(data: dict[str, Any]) -> dict[str, Any]:
    """The panel with two-way effects and errors by unit."""
    frame = import_module("pandas").DataFrame(data["panel"])
    fit = import_module("pyfixest").feols(
        "outcomes ~ treated | units + times", frame, vcov={"CRV1": "units"}, fixef_tol=1e-13
    )
    table = fit.tidy().loc["treated"]
    return {
        "value": table["Estimate"],
        "standard_error": table["Std. Error"],
        "p_value": table["Pr(>|t|)"],
        "interval": [table["2.5%"], table["97.5%"]],
    }


def rdrobust(data: dict[str, Any]) -> list[Any]:
    """The jump with every pair of bandwidths."""
    import numpy as np  # noqa: PLC0415 - of the peer's environment

    jump, rows = data["jump"], []
    for bandwidth, bias_bandwidth in jump["bandwidths"]:
        fit = import_module("rdrobust").rdrobust(
            np.array(jump["outcomes"]), np.array(jump["scores"]), c=jump["cutoff"], h=bandwidth, b=bias_bandwidth
        )
        value, error = fit.coef.to_numpy().ravel().tolist(), fit.se.to_numpy().ravel().tolist()
        rows.append({"conventional": [value[0], error[0]], "robust": [value[1], error[2]]})
    return rows


def main(peer: str | None) -> None:
    """Ask one peer, in its environment; or each of them, and write the file."""
    if peer:
        data = json.load(sys.stdin)
        values = globals()[peer.replace("-", "_")](data)
        json.dump({"version": version(peer), "values": values}, sys.stdout, default=float)
        return
    data = arrays()
    told = json.loads(FILE.read_text())["peers"] if FILE.exists() else {}
    for name, packages in PEERS.items():
        told[name] = asked(name, packages, data) or told.get(name)
    FILE.write_text(json.dumps({"arrays": data, "peers": told}, indent=1) + "\n")


def asked(name: str, packages: list[str], data: dict[str, Any]) -> Any:
    """A peer's values from an environment of its own; None if it cannot be installed."""
    home = Path(os.environ.get("PEERS") or tempfile.mkdtemp()) / name
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        if subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=False).returncode:
            return None
    done = subprocess.run([python, __file__, name], input=json.dumps(data), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    return json.loads(done.stdout[done.stdout.index('{"version"') :])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
