"""What docker-compose.yml and docker/Dockerfile promise. No container engine is needed, and none is started."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it comes without types
import pytest
import stand_ins
import yaml

from artwork.extras import named_by
from loadtest.command import make_parser

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()

NUMBER = re.compile(r"[1-9]\d*(:[1-9]\d*)?")
SCHEMA = {
    "type": "object",
    "required": [
        "image",
        "user",
        "read_only",
        "cap_drop",
        "security_opt",
        "healthcheck",
        "command",
        "logging",
        "mem_limit",
        "pids_limit",
    ],
    "not": {"required": ["privileged"]},
    "properties": {
        "user": {
            "type": "string",
            "pattern": f"^{NUMBER.pattern}$",
        },  # a number, so that it is not root by another name
        "read_only": {"const": True},
        "mem_limit": {"type": "string", "pattern": "^[0-9]+[mg]$"},
        "pids_limit": {"type": "integer", "minimum": 1},
        "cap_drop": {"const": ["ALL"]},
        "security_opt": {"contains": {"const": "no-new-privileges:true"}},
        "image": {"not": {"pattern": ":latest$"}},
        "ports": {"items": {"type": "string", "pattern": r"^127\.0\.0\.1:"}},
        "healthcheck": {
            "oneOf": [
                {"required": ["test", "interval", "timeout", "retries"]},
                {"properties": {"disable": {"const": True}}, "required": ["disable"]},
            ]
        },
    },
}


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined_checked_and_reachable_from_this_machine_only(name: str) -> None:
    jsonschema.validate(SERVICES[name], SCHEMA)


def test_a_container_that_runs_as_root_would_be_refused() -> None:
    with pytest.raises(jsonschema.ValidationError, match="does not match"):
        jsonschema.validate(SERVICES["service"] | {"user": "0"}, SCHEMA)


def test_the_containers_are_those_of_the_whole_loop() -> None:
    assert set(SERVICES) == {"password", "valkey", "data", "batch", "service", "locust", "prometheus", "grafana"}


def test_what_stays_up_restarts_and_has_a_health_check() -> None:
    staying = {name for name, service in SERVICES.items() if service.get("restart") == "unless-stopped"}
    assert staying == {"valkey", "batch", "service", "prometheus", "grafana"}
    assert all("test" in SERVICES[name]["healthcheck"] for name in staying)


def test_only_load_test_and_monitoring_wait_to_be_asked_for() -> None:
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "locust": ["loadtest"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }


def test_the_store_keeps_what_it_is_given_or_refuses_it() -> None:
    script = SERVICES["valkey"]["command"][-1]
    assert "--maxmemory-policy noeviction " in script
    assert "--appendonly yes " in script


def networks(name: str) -> set[str]:
    return set(SERVICES[name].get("networks", ()))


def test_whoever_asks_the_service_shares_no_network_with_the_store() -> None:
    assert {name for name in SERVICES if "store" in networks(name)} == {"valkey", "batch", "service"}
    assert {name for name in SERVICES if "public" in networks(name)} == {"service", "locust", "prometheus", "grafana"}
    assert {SERVICES[name]["network_mode"] for name in SERVICES if not networks(name)} == {"none"}


def test_the_password_is_read_from_a_file_by_those_alone_who_need_it() -> None:
    assert {name for name in SERVICES if "secrets:/secrets:ro" in SERVICES[name].get("volumes", ())} == {
        "valkey", "batch", "service"
    }  # fmt: skip
    urls = {
        service["environment"]["ARTWORK_REDIS_URL"] for service in map(SERVICES.get, ("batch", "service")) if service
    }
    assert urls == {"redis://valkey:6379/0?password_file=/secrets/store"}
    assert "requirepass $$(cat /secrets/store)" in SERVICES["valkey"]["command"][-1]


def test_the_batch_job_repeats_once_the_store_is_healthy_and_there_is_data() -> None:
    batch = SERVICES["batch"]
    assert batch["command"] == ["artwork", "run", "--every", "1h"]
    conditions = {name: wait["condition"] for name, wait in batch["depends_on"].items()}
    assert conditions == {"valkey": "service_healthy", "data": "service_completed_successfully"}


def test_the_service_does_not_wait_for_a_healthy_store() -> None:
    assert SERVICES["service"]["depends_on"] == ["valkey"]


def test_the_load_test_is_given_flags_that_it_knows() -> None:
    assert SERVICES["locust"]["command"][:3] == ["python", "-m", "loadtest"]
    options = make_parser().parse_args(SERVICES["locust"]["command"][3:])
    assert (options.host, str(options.targets)) == ("http://service:8000", "/workspace/loadtest.json")


def test_the_containers_that_we_build_are_of_a_stage_that_there_is() -> None:
    built = {service["image"]: service["build"]["target"] for service in SERVICES.values() if "build" in service}
    assert built == {"artwork-bandit": "job", "artwork-bandit-service": "service"}
    assert set(built.values()) <= set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))


def test_every_named_volume_is_declared() -> None:
    declared = yaml.safe_load(COMPOSE.read_text())["volumes"]
    mounted = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    folders = {source for source in mounted if source.startswith("./")}
    assert mounted - folders == set(declared)
    assert all((ROOT / folder).exists() for folder in folders)


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_docker_compose_accepts_the_file() -> None:
    profiles = ["--profile", "loadtest", "--profile", "monitoring"]
    command = ["docker-compose", "--file", str(COMPOSE), *profiles, "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_images_install_nothing_without_a_hash() -> None:
    installs = set(re.findall(r"pip install (.*)", DOCKERFILE))
    hashed = {f"--require-hashes -r requirements/{name}.txt" for name in ("build", "service", "runtime")}
    assert installs == hashed | {"--no-deps /wheel/*.whl"}


def locked(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return {
        match[1]: match[0].strip()
        for match in re.finditer(r"^([a-z0-9-]+)(\[[a-z,]+\])?==.*?(?=\n[a-z]|\Z)", text, re.DOTALL | re.MULTILINE)
    }


@pytest.mark.parametrize("name", ["service", "build"])
def test_what_an_image_pins_is_pinned_alike_in_the_other_one(name: str) -> None:
    assert locked(name).items() <= locked("runtime").items()


def test_the_image_of_the_service_has_what_its_extra_names_and_no_load_test_or_reward_models() -> None:
    names = set(locked("service"))
    assert {item.lower() for item in named_by("service")} <= names
    assert not names & {"locust", "gevent", "scikit-learn", "polars"}


def test_the_image_runs_as_the_user_of_the_compose_file() -> None:
    assert re.findall(r"^USER (.*)", DOCKERFILE, re.MULTILINE) == [SERVICES["service"]["user"]]


def copied() -> set[str]:
    sources = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    return {source for line in sources for source in line.split()}


def test_the_image_holds_every_room_that_is_installed() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert {package.split(".")[0] for package in packages} <= copied()


def test_every_package_of_the_product_is_installed() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    rooms = {package.split(".")[0] for package in declared}
    there = {
        ".".join(path.parent.relative_to(ROOT).parts) for room in rooms for path in (ROOT / room).rglob("__init__.py")
    }
    assert set(declared) == there


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((ROOT / source).exists() for source in copied())
    assert {Path(source).parts[0] for source in copied()} == kept


def test_there_is_a_stand_in_for_every_image_but_grafanas_under_its_very_name() -> None:
    ours = {service["image"] for service in SERVICES.values() if "build" in service}
    named = {service["image"] for service in SERVICES.values()} - ours
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - stages
    made = {image.removeprefix("docker.io/").removeprefix("library/") for image in stand_ins.IMAGES}
    assert (named | bases) - made == {SERVICES["grafana"]["image"]}
    assert made <= named | bases
