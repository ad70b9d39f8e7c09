"""A store behind TLS, with certificates of the test's own."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from debian_redis import needs_redis_server, redis_server
from faults import running_service, until
from redis.backoff import NoBackoff
from redis.retry import Retry

from artwork.bench.testbed.service_process import free_port
from artwork.bench.testbed.store_fixture import StoreFixture, publish

pytestmark = needs_redis_server

DAYS = "2"


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.crt"

    def sign(self, name: str, host: str) -> tuple[Path, Path]:
        """A certificate for a host, and its key."""
        key, request, certificate = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
        kind = "DNS" if host == "localhost" else "IP"
        (self.folder / "names").write_text(f"subjectAltName = {kind}:{host}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-keyout", key, "-out", request)
        signing = ("-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-CAcreateserial")
        openssl(
            "x509",
            "-req",
            "-in",
            request,
            *signing,
            "-extfile",
            self.folder / "names",
            "-days",
            DAYS,
            "-out",
            certificate,
        )
        return certificate, key


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def new_authority(folder: Path) -> Authority:
    folder.mkdir()
    # With the uses that OpenSSL asks of an authority by default only in some versions.
    extensions = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    key = ("-newkey", "rsa:2048", "-nodes", "-keyout", folder / "ca.key")
    openssl("req", "-x509", *key, "-subj", "/CN=test authority", *extensions, "-days", DAYS, "-out", folder / "ca.crt")
    return Authority(folder)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("right") / "ca")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("wrong") / "ca")


@pytest.fixture(scope="module")
def port(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A published generation behind TLS on 127.0.0.1, and on nothing else."""
    port = free_port()
    certificate, key = authority.sign("server", "127.0.0.1")
    files = ("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", authority.certificate)
    options = [
        "--bind",
        "127.0.0.1",
        "--port",
        "0",
        "--tls-port",
        str(port),
        "--tls-auth-clients",
        "no",
        *map(str, files),
    ]
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority.certificate}"
    with redis_server(tmp_path_factory.mktemp("redis"), url, options) as admin:
        publish(admin, StoreFixture(users=4, titles=2), 1, flip=1)
        yield port


def test_rows_and_catalogue_are_read_over_tls(port: int, authority: Authority, tmp_path: Path) -> None:
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority.certificate}"
    with running_service(tmp_path, url, store_deadline_ms="5000") as service:
        until(lambda: service.get("/readyz").status_code == 200, "ready")
        assert service.get("/v1/users/u1/titles/t1/artwork").json()["source"] == "personalized"
        assert service.degraded() == []


@pytest.mark.parametrize("wrong", ["another authority", "another host"])
def test_a_store_that_cannot_prove_itself_is_not_spoken_to(
    port: int, authority: Authority, stranger: Authority, tmp_path: Path, wrong: str
) -> None:
    url = {
        "another authority": f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={stranger.certificate}",
        "another host": f"rediss://localhost:{port}/0?ssl_ca_certs={authority.certificate}",
    }[wrong]
    with running_service(tmp_path, url, store_deadline_ms="5000") as service:
        until(lambda: service.total("artwork_polls_total") > 1, "asked for the generation")
        assert service.get("/readyz").status_code == 503
        until(lambda: "certificate verify failed" in service.log.read_text().lower(), "told in the log")
        assert service.total("artwork_store_connections_total") == 0


def test_plain_text_is_not_answered(port: int) -> None:
    with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as client, pytest.raises(redis.ConnectionError):
        client.ping()
