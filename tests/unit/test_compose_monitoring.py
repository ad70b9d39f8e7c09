"""What Prometheus scrapes and what Grafana draws exist; neither is started."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from service.metrics.exposition import exposition
from service.metrics.metrics import ROUTES, Metrics

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
GRAFANA = ROOT / "docker" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "artwork.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
NAME = re.compile(r"artwork_[a-z_]+")
PROMISE_SECONDS = 0.005


def everything() -> Metrics:
    """Metrics of which each has been counted once."""
    metrics = Metrics()
    for route in ROUTES:
        metrics.answered(route, 200, 0.001)
    metrics.picked("personalized", "thompson")
    metrics.row_refused("crc")
    metrics.load_refused("meta")
    return metrics


def labels_by_sample() -> dict[str, set[str]]:
    families = text_string_to_metric_families(exposition(everything().blocks).decode())
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_name_and_label_of_an_expression_is_one_that_the_service_shows(expression: str) -> None:
    shown = labels_by_sample()
    names = NAME.findall(expression)
    assert names
    assert set(names) <= set(shown)
    grouped = [label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")]
    matched = re.findall(r'(\w+)=~?"', expression)
    assert set(grouped + matched) <= set.union(*(shown[name] for name in names))


def test_a_name_that_the_service_does_not_show_would_be_found() -> None:
    assert "artwork_nothing_total" not in labels_by_sample()


def test_every_metric_of_the_service_is_on_the_dashboard() -> None:
    drawn = set(NAME.findall(" ".join(EXPRESSIONS)))
    families = text_string_to_metric_families(exposition(everything().blocks).decode())
    assert [family.name for family in families if not any(name.startswith(family.name) for name in drawn)] == []


def test_every_legend_names_a_label_of_its_expression() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            of_metric = set.union(*(labels_by_sample()[name] for name in NAME.findall(target["expr"])))
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= of_metric


def test_routes_named_in_expressions_are_routes() -> None:
    named = {route for expression in EXPRESSIONS for route in re.findall(r'route="([^"]*)"', expression)}
    assert named == set(ROUTES[:2])


def test_latencies_are_drawn_beside_the_promise_of_5_ms() -> None:
    latencies = [panel for panel in DASHBOARD["panels"] if panel["title"].startswith("Latency")]
    assert len(latencies) == 2
    for panel in latencies:
        defaults = panel["fieldConfig"]["defaults"]
        assert (defaults["unit"], defaults["thresholds"]["steps"][-1]["value"]) == ("s", PROMISE_SECONDS)
        assert [target["legendFormat"] for target in panel["targets"]] == ["p50", "p99", "p99.9"]


def test_panels_have_places_of_their_own_and_a_description() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(set(ids)) == len(DASHBOARD["panels"])
    assert all(panel["description"] for panel in DASHBOARD["panels"])


def test_prometheus_scrapes_the_service_of_the_compose_file() -> None:
    [job] = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text())["scrape_configs"]
    [target] = job["static_configs"][0]["targets"]
    name, _, port = target.partition(":")
    assert f"--port {port}" in " ".join(SERVICES[name]["command"])


def test_grafana_finds_its_source_and_its_dashboard() -> None:
    [source] = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    [provider] = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "artwork.yml").read_text())["providers"]
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])
    assert provider["options"]["path"] == mounts["./docker/grafana/dashboards"]
    assert mounts["./docker/grafana/provisioning"] == "/etc/grafana/provisioning"


def test_nobody_can_log_in_to_grafana_by_a_default_password() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
