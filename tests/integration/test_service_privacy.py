"""What a running service tells of its users: nothing, neither in its log nor in its metrics."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from faults import Service, new_store, running_service, until
from redis import Redis

from artwork.bench.testbed.store_fixture import StoreFixture, identity_of, publish
from bandit.snapshot import encode_row, row_key
from service.keys import entry_text, new_key

KEY, ENTRY = new_key("web", ["lookup"])
WRONG_KEY, _ = new_key("web", ["lookup"])
NAME = "somebody-in-particular"
"""Part of every user id that is asked for."""

LOOK_UPS = [
    f"/v1/users/{NAME}/titles/t1/artwork",
    f"/v1/users/{NAME}-cold/artwork?title_id=t0&title_id=t1&title_id=nope",
    f"/v1/users/{NAME}-crossed/titles/t1/artwork",
    f"/v1/users/{NAME}/titles/nope/artwork",
    f"/v1/users/{NAME}%20/titles/t1/artwork",
    f"/v1/users/{NAME}{'x' * 64}/artwork?title_id=t1",
    f"/v1/users/{NAME}/artwork",
    f"/v1/users/{NAME}/artwork?title_id=t1&hour={NAME}",
    f"/v1/users/{NAME}/artwork?title_id={'t' * 20_000}",
    f"/v1/users/{NAME}/no/such/route",
    f"/livez?user_id={NAME}",
]


def ask_everything(service: Service) -> set[int]:
    """The statuses of right, wrong and refused requests that all name the user."""
    answers = [httpx.get(service.address + path, headers=bearer(KEY)) for path in LOOK_UPS]
    answers += [httpx.get(service.address + LOOK_UPS[0], headers=bearer(WRONG_KEY))]
    answers += [httpx.post(service.address + LOOK_UPS[0], headers=bearer(KEY), content=NAME)]
    parts = urlsplit(service.address)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as connection:
        connection.sendall(f"GET {LOOK_UPS[0]} with two blanks HTTP/1.1\r\nX-User: {NAME}\r\n\r\n".encode())
        answers_badly = connection.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert answers_badly
    return {answer.status_code for answer in answers}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_no_user_and_no_key_is_in_log_or_metrics_whatever_is_asked_and_whatever_fails(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text(entry_text(ENTRY))
    with new_store() as store:
        with Redis.from_url(store.url) as client:
            ground = StoreFixture(users=4, titles=2)
            publish(client, ground, 1, flip=1)
            crossed = {
                row_key(1, f"{NAME}-crossed"): ground.row(1, 1),
                row_key(1, NAME): encode_row(NAME, 1, identity_of(1), 0, b"\0" * 6),
            }
            client.mset(crossed)
        settings = {"log_level": "debug", "keys_file": str(tmp_path / "keys.toml"), "store_deadline_ms": "5000"}
        with running_service(tmp_path, store.url, **settings) as service:
            statuses = ask_everything(service)
            store.kill()
            until(lambda: service.degraded() != [], "without its store")
            statuses |= ask_everything(service)
            lines = service.log.read_text().splitlines()
            logged = [line for line in lines if not line.startswith("  curl ")]  # standard output: look-ups to try
            told = "\n".join(logged) + service.get("/metrics").text
    assert statuses == {200, 401, 404, 405, 414, 422}
    assert "artwork_requests_total" in told
    assert "generation_taken" in told
    assert [secret for secret in (NAME, KEY, WRONG_KEY) if secret in told] == []
