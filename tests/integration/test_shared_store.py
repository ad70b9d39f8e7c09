"""A store that tests share is as new for each of them."""

import socket
from urllib.parse import urlsplit

import redis
from shared_store import SharedStore

from batch.store.client import connect

HANG_SECONDS = 20.0


def state(client: redis.Redis) -> dict[str, object]:
    """What a test could leave behind."""
    return {
        "keys": client.dbsize(),
        "settings": client.config_get("*"),
        "users": client.acl_list(),
        "scripts": client.info("memory")["number_of_cached_scripts"],
    }


def test_whatever_a_test_leaves_in_the_store_is_gone_for_the_next_one(shared_store: SharedStore) -> None:
    shared_store.renew()
    with connect(shared_store.url) as client:
        before = state(client)
        client.set("a key", "a value")
        client.acl_setuser("somebody", enabled=True, nopass=True, keys=["*"], commands=["+@all"])
        client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-getrange"])
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", 100_000_000)
        client.execute_command("EVAL", "return 1", 0)
        left = state(client)
    assert all(left[name] != before[name] for name in before)
    with socket.socket(socket.AF_UNIX) as held:
        held.settimeout(HANG_SECONDS)
        held.connect(urlsplit(shared_store.url).path)
        held.sendall(b"PING\r\n")
        assert held.recv(7) == b"+PONG\r\n"
        shared_store.renew()
        assert held.recv(1) == b""  # hung up
    with connect(shared_store.url) as client:
        assert state(client) == before
