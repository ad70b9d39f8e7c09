"""``POST /v1/events`` against a store in memory: what is accepted, what is refused and how, and what is stored."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgi import SETTINGS, Client, problem_of, published
from posted_events import ANN, LEFT_OUT, body, event, play

from bandit.snapshot import LAST_MICROSECOND
from service.events.appending import DETAILS, MAYBE_STORED, MemoryEventLog
from service.keys import EVENTS, LOOKUP, entry_text, new_key
from service.lookup.store import MemoryStore

PATH = "/v1/events"
PAGE = "https://shop.example"


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog()


@pytest.fixture
def client(log: MemoryEventLog) -> Iterator[Client]:
    with Client(MemoryStore(published()), events=log) as client:
        yield client


def of_settings(log: MemoryEventLog | None = None, **settings: Any) -> Client:
    return Client(MemoryStore(published()), SETTINGS.model_copy(update=settings), log)


def fields_of(document: dict[str, Any]) -> list[str]:
    return [error["field"] for error in document["errors"]]


def test_events_are_stored_as_one_entry_and_then_counted(client: Client, log: MemoryEventLog) -> None:
    before = time.time_ns() // 1000
    response = client.post(PATH, body(event(), play(event_id="e2")))
    assert (response.status_code, response.json()) == (202, {"accepted": 2})
    [(received, events)] = log.entries
    assert before <= received <= time.time_ns() // 1000
    assert [stored["event_id"] for stored in events] == ["e1", "e2"]


def test_what_is_stored_are_the_fields_of_the_event_and_when_it_happened(log: MemoryEventLog) -> None:
    with of_settings(log, trust_event_time=True) as client:
        client.post(PATH, body(event(policy="thompson", propensity=0.2), play(revision=3, segment="s1")))
    shown = ANN.keys() - {"occurred_at"} | {"at"}
    impression, played = log.entries[0][1]
    assert (set(impression), set(played)) == (shown, shown | {"watch_fraction"})
    assert impression["at"] == datetime(2026, 11, 28, 9, 30, 0, 250_000, UTC).timestamp() * 1_000_000
    assert (played["watch_fraction"], played["revision"], played["segment"]) == (0.5, 3, "s1")


def test_revision_and_segment_may_be_left_out(client: Client, log: MemoryEventLog) -> None:
    assert client.post(PATH, body(event(revision=LEFT_OUT, segment=LEFT_OUT))).status_code == 202
    assert [(stored["revision"], stored["segment"]) for stored in log.entries[0][1]] == [(0, None)]


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", ""]
)
def test_a_body_is_taken_for_json_whatever_its_type_says(client: Client, content_type: str) -> None:
    assert client.post(PATH, body(), content_type=content_type).status_code == 202


@pytest.mark.parametrize(
    ("hours", "stored_hours"), [(-1, -1), (-23, -23), (-25, -24), (-24 * 400, -24), (0, 0), (1, 0), (24 * 400, 0)]
)
def test_a_time_is_bounded_to_the_day_before_its_arrival(
    client: Client, log: MemoryEventLog, hours: int, stored_hours: int
) -> None:
    happened = datetime.now(UTC) + timedelta(hours=hours)
    client.post(PATH, body(event(occurred_at=happened.isoformat())))
    [(received, [stored])] = log.entries
    assert stored["at"] - received == pytest.approx(stored_hours * 3.6e9, abs=60e6)


@pytest.mark.parametrize(
    ("occurred_at", "at"),
    [
        ("1970-01-01T00:00:00.000001Z", 1),
        ("2026-11-28T10:30+01:00", 1_795_858_200_000_000),
        ("2026-11-28T10:30:00,5+0100", 1_795_858_200_500_000),
        ("1969-12-31T23:59:59Z", 0),
        ("0001-01-01T00:00:00+14:00", 0),
        ("9999-12-31T23:59:59.999999Z", LAST_MICROSECOND),
        ("9999-12-31T23:59:59-12:00", LAST_MICROSECOND),
        ("2026-11-28T09:30:00.123456789Z", 1_795_858_200_123_456),
    ],
)
def test_where_times_are_trusted_they_are_taken_as_they_are(log: MemoryEventLog, occurred_at: str, at: int) -> None:
    with of_settings(log, trust_event_time=True) as client:
        assert client.post(PATH, body(event(occurred_at=occurred_at))).status_code == 202
    assert log.entries[0][1][0]["at"] == at


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "body"),
        (b"not json", "body"),
        (b"[NaN]", "body"),
        (b"\xef\xbb\xbf[]", "body"),
        (b'["\xff"]', "body"),
        (b'["\\ud800"]', "body"),
        (b"[" * 100_000, "body"),
        (b"[" * 500 + b"]" * 500, "body"),
        (b"[1,]", "body"),
        (b"[] []", "body"),
        (b"[" + b"9" * 5000 + b"]", "body"),
        (b"\x1f\x8b\x08\x00", "body"),
        (body().decode().encode("utf-16"), "body"),
        (b"{}", "events"),
        (b'{"events": []}', "events"),
        (b"null", "events"),
        (b'"[]"', "events"),
        (b"[]", "events"),
        (b"[1]", "events[0]"),
        (b"[[]]", "events[0]"),
        (b"[null]", "events[0]"),
        (body(event(), 7), "events[1]"),
    ],
    ids=range(22),
)
def test_a_body_that_is_no_array_of_events_is_refused(
    client: Client, log: MemoryEventLog, content: bytes, field: str
) -> None:
    document = problem_of(client.post(PATH, content), 422)
    assert fields_of(document) == [field]
    assert log.entries == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_id": ""}, "event_id"),
        ({"event_id": "x" * 65}, "event_id"),
        ({"event_id": "a b"}, "event_id"),
        ({"event_id": "ab\n"}, "event_id"),
        ({"event_id": "é"}, "event_id"),
        ({"event_id": 7}, "event_id"),
        ({"event_id": LEFT_OUT}, "event_id"),
        ({"type": "click"}, "type"),
        ({"type": LEFT_OUT}, "type"),
        ({"user_id": "\x00"}, "user_id"),
        ({"user_id": None}, "user_id"),
        ({"title_id": "{t}"}, "title_id"),
        ({"artwork_id": ["t0-b"]}, "artwork_id"),
        ({"artwork_id": None}, "artwork_id"),
        ({"generation": 0}, "generation"),
        ({"generation": -1}, "generation"),
        ({"generation": 2**32}, "generation"),
        ({"generation": 10**400}, "generation"),
        ({"generation": 5.5}, "generation"),
        ({"generation": 1e300}, "generation"),
        ({"generation": "5"}, "generation"),
        ({"generation": True}, "generation"),
        ({"generation": LEFT_OUT}, "generation"),
        ({"revision": -1}, "revision"),
        ({"revision": 2**32}, "revision"),
        ({"revision": None}, "revision"),
        ({"source": "guess"}, "source"),
        ({"source": None}, "source"),
        ({"segment": ""}, "segment"),
        ({"segment": 3}, "segment"),
        ({"occurred_at": LEFT_OUT}, "occurred_at"),
        ({"occurred_at": "2026-11-28T09:30:00"}, "occurred_at"),
        ({"occurred_at": "2026-11-28"}, "occurred_at"),
        ({"occurred_at": "1795858200"}, "occurred_at"),
        ({"occurred_at": 1_795_858_200}, "occurred_at"),
        ({"occurred_at": "2026-02-30T09:30:00Z"}, "occurred_at"),
        ({"occurred_at": "2026-11-28T25:00:00Z"}, "occurred_at"),
        ({"occurred_at": "2026-11-28T09:30:00+99:00"}, "occurred_at"),
        ({"occurred_at": "0000-01-01T00:00:00Z"}, "occurred_at"),
        ({"occurred_at": "10000-01-01T00:00:00Z"}, "occurred_at"),
        ({"occurred_at": "2026-11-28T09:30:00Z\n"}, "occurred_at"),
        ({"occurred_at": "\uff12026-11-28T09:30:00Z"}, "occurred_at"),
        ({"watch_fraction": 0.5}, "watch_fraction"),
        ({"type": "play"}, "watch_fraction"),
        ({"type": "play", "watch_fraction": None}, "watch_fraction"),
        ({"type": "play", "watch_fraction": 1.001}, "watch_fraction"),
        ({"type": "play", "watch_fraction": -0.1}, "watch_fraction"),
        ({"type": "play", "watch_fraction": "0.5"}, "watch_fraction"),
        ({"type": "play", "watch_fraction": True}, "watch_fraction"),
        ({"propensity": 0}, "propensity"),
        ({"propensity": 1.5}, "propensity"),
        ({"policy": ""}, "policy"),
        ({"watchFraction": 0.5}, "watchFraction"),
        ({"x" * 500: 1}, "x" * 64),
    ],
    ids=range(54),
)
def test_a_wrong_field_is_named_with_the_place_of_its_event_and_nothing_is_stored(
    client: Client, log: MemoryEventLog, changes: dict[str, Any], field: str
) -> None:
    document = problem_of(client.post(PATH, body(event(), event(), event(), event(**changes))), 422)
    assert fields_of(document) == [f"events[3].{field}"]
    assert log.entries == []


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "1" + "0" * 400])
def test_a_number_beyond_all_bounds_is_refused(client: Client, number: str) -> None:
    content = body(play(watch_fraction=0.125)).replace(b"0.125", number.encode())
    problem_of(client.post(PATH, content), 422)


@pytest.mark.parametrize("fraction", [0, 1, 0.0, 1.0, 0.7])
def test_a_watched_fraction_may_be_written_as_a_whole_number(client: Client, fraction: float) -> None:
    assert client.post(PATH, body(play(watch_fraction=fraction))).status_code == 202


def test_a_whole_number_may_be_written_with_a_point(client: Client, log: MemoryEventLog) -> None:
    assert client.post(PATH, body(event(generation=5.0, revision=0.0))).status_code == 202
    assert [type(log.entries[0][1][0][name]) for name in ("generation", "revision")] == [int, int]


def test_a_limit_is_told_with_the_field(client: Client) -> None:
    [error] = problem_of(client.post(PATH, body(event(generation=2**32))), 422)["errors"]
    assert error["limit"] == 2**32 - 1


def test_a_thousand_events_are_taken(client: Client, log: MemoryEventLog) -> None:
    response = client.post(PATH, body(*(event(event_id=f"e{n}") for n in range(1000))))
    assert (response.status_code, response.json()) == (202, {"accepted": 1000})
    assert [stored["event_id"] for stored in log.entries[0][1]] == [f"e{n}" for n in range(1000)]


def test_more_than_a_thousand_events_are_refused_with_the_limit(client: Client) -> None:
    [error] = problem_of(client.post(PATH, body(*([ANN] * 1001))), 422)["errors"]
    assert (error["field"], error["limit"]) == ("events", 1000)


def test_a_wrong_event_is_found_at_its_place_among_many(client: Client) -> None:
    events = [event(event_id=f"e{n}") for n in range(900)]
    events[777]["generation"] = 0
    assert fields_of(problem_of(client.post(PATH, body(*events)), 422)) == ["events[777].generation"]


def test_of_many_complaints_some_are_told_and_the_rest_counted(client: Client) -> None:
    document = problem_of(client.post(PATH, body(*([event(generation=0, type="x")] * 500))), 422)
    assert len(document["errors"]) == 20
    assert document["detail"].endswith("and 480 more.")


def test_a_refusal_does_not_repeat_what_was_sent(client: Client) -> None:
    response = client.post(PATH, body(event(user_id="a secret of ann", event_id="pass word")))
    assert "secret" not in response.text
    assert "pass word" not in response.text


def test_of_a_name_that_stands_twice_the_last_one_counts(client: Client, log: MemoryEventLog) -> None:
    content = body().replace(b'"generation": 5', b'"generation": 0, "generation": 7')
    assert client.post(PATH, content).status_code == 202
    assert log.entries[0][1][0]["generation"] == 7


def test_a_body_beyond_the_limit_is_413(client: Client) -> None:
    problem_of(client.post(PATH, b" " * (1 << 20) + body()), 413)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method_is_405_and_names_the_right_one(client: Client, method: str) -> None:
    response = client.ask(method, PATH)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/v1/events/", "/v1//events", "/v1/events/x", "/v1/event", "/v2/events"])
def test_another_path_is_404(client: Client, path: str) -> None:
    problem_of(client.post(path, body()), 404)


@pytest.mark.parametrize("trouble", sorted(DETAILS))
def test_events_that_are_not_known_to_be_stored_are_503_and_may_be_sent_again(
    client: Client, log: MemoryEventLog, trouble: str
) -> None:
    log.trouble = trouble
    response = client.post(PATH, body())
    document = problem_of(response, 503)
    assert response.headers["retry-after"] == "1"
    assert "same ids" in document["detail"]
    assert ("may have been stored" in document["detail"]) == (trouble in MAYBE_STORED)
    assert client.get("/v1/users/ann/titles/t0/artwork").json()["source"] == "personalized"
    assert f'artwork_event_requests_refused_total{{reason="{trouble}"}} 1.0' in client.get("/metrics").text


def test_metrics_count_events_and_refusals(client: Client) -> None:
    client.post(PATH, body(event(), play()))
    client.post(PATH, body(event(generation=0)))
    told = client.get("/metrics").text
    assert "artwork_events_total 2.0" in told
    assert 'artwork_event_requests_refused_total{reason="invalid"} 1.0' in told
    assert 'artwork_requests_total{route="/v1/events",status="202"} 1.0' in told


def test_events_need_a_key_with_their_own_scope(tmp_path: Path) -> None:
    keys = {scope: new_key(scope, [scope]) for scope in (LOOKUP, EVENTS)}
    file = tmp_path / "keys.toml"
    file.write_text("\n".join(entry_text(entry) for _, entry in keys.values()))
    look_up = "/v1/users/ann/titles/t0/artwork"
    with of_settings(keys_file=file) as client:
        asked = {
            name: (
                client.post(PATH, body(), authorization=f"Bearer {key}").status_code,
                client.ask("GET", look_up, authorization=f"Bearer {key}").status_code,
            )
            for name, key in [("none", "x"), *((scope, key) for scope, (key, _) in keys.items())]
        }
        refused = client.post(PATH, body())
    assert asked == {"none": (401, 401), LOOKUP: (403, 200), EVENTS: (202, 403)}
    assert refused.headers["www-authenticate"] == 'Bearer scope="events"'


def test_no_spelling_of_the_path_stores_events_past_key_and_origin(tmp_path: Path) -> None:
    key, entry = new_key("web", [LOOKUP])
    file = tmp_path / "keys.toml"
    file.write_text(entry_text(entry))
    with of_settings(keys_file=file) as client:
        for path in (PATH, "/v1/%65vents", "/v1/events%0A", "/v1/events%0a", "/v1/events%0D", "/v1/events%0D%0A"):
            for fields in ({"authorization": f"Bearer {key}"}, {"origin": "https://evil.example"}):
                assert client.post(path, body(), **fields).status_code in {401, 403, 404}, path
        assert "artwork_events_total 0.0" in client.get("/metrics").text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_preflight_of_an_allowed_origin_is_answered_without_a_key(tmp_path: Path, method: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(entry_text(new_key("web", [LOOKUP])[1]))
    path = PATH if method == "POST" else "/v1/users/ann/artwork"
    with of_settings(keys_file=file, allowed_origins=PAGE) as client:
        response = client.ask(
            "OPTIONS",
            path,
            origin=PAGE,
            access_control_request_method=method,
            access_control_request_headers="authorization,content-type",
        )
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == PAGE
    assert method in response.headers["access-control-allow-methods"]
    assert {"authorization", "content-type"} <= set(
        response.headers["access-control-allow-headers"].lower().split(", ")
    )


OTHERS = [
    "https://evil.example",
    "http://shop.example",
    "https://shop.example:8443",
    "https://shop.example.evil.com",
    "null",
    "",
]


@pytest.mark.parametrize("origin", OTHERS)
def test_a_preflight_of_another_origin_is_refused(origin: str) -> None:
    with of_settings(allowed_origins=PAGE) as client:
        response = client.ask("OPTIONS", PATH, origin=origin, access_control_request_method="POST")
    problem_of(response, 403)
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("asked", ["fast", "slow", "unknown title", "wrong", "events", "wrong events"])
def test_every_answer_to_a_page_of_an_allowed_origin_may_be_read_there(asked: str) -> None:
    paths = {
        "fast": "/v1/users/ann/titles/t0/artwork",
        "slow": "/v1/users/an%6E/titles/t0/artwork",
        "unknown title": "/v1/users/ann/titles/nope/artwork",
        "wrong": "/v1/users/ann/artwork",
    }
    contents = {"events": body(), "wrong events": b"[]"}
    with of_settings(allowed_origins=f"https://other.example,{PAGE}") as client:
        method = "POST" if asked in contents else "GET"
        response = client.ask(method, paths.get(asked, PATH), contents.get(asked), origin=PAGE)
    assert response.headers.get_list("access-control-allow-origin") == [PAGE]
    assert response.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", [*OTHERS, None])
def test_no_answer_to_another_origin_may_be_read_there(origin: str | None) -> None:
    path = "/v1/users/ann/titles/t0/artwork"
    with of_settings(allowed_origins=PAGE) as client:
        response = client.get(path) if origin is None else client.ask("GET", path, origin=origin)
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["vary"] == "Origin"  # a cache must not give this answer to an allowed one


@pytest.mark.parametrize("allowed", ["", PAGE])
@pytest.mark.parametrize("origin", OTHERS)
def test_a_page_of_another_origin_sends_no_events_even_without_a_preflight(
    log: MemoryEventLog, allowed: str, origin: str
) -> None:
    with of_settings(log, allowed_origins=allowed) as client:
        problem_of(client.post(PATH, body(), origin=origin, content_type="text/plain"), 403)
    assert log.entries == []


def test_a_page_of_the_services_own_host_sends_events_without_a_setting(client: Client) -> None:
    assert client.post(PATH, body(), origin="http://service").status_code == 202


def test_any_origin_may_be_allowed(log: MemoryEventLog) -> None:
    with of_settings(log, allowed_origins="*") as client:
        response = client.post(PATH, body(), origin="https://evil.example")
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (202, "*")


def test_without_allowed_origins_no_answer_speaks_of_them(client: Client) -> None:
    response = client.ask("GET", "/v1/users/ann/titles/t0/artwork", origin=PAGE)
    assert not {"vary", "access-control-allow-origin"} & response.headers.keys()


def test_the_document_describes_an_event(client: Client) -> None:
    call = client.get("/openapi.json").json()["paths"][PATH]["post"]
    schema = call["requestBody"]["content"]["application/json"]["schema"]
    assert (schema["type"], schema["minItems"], schema["maxItems"]) == ("array", 1, 1000)
    shown, played = schema["items"]["oneOf"]
    assert set(shown["required"]) == ANN.keys() - {"revision", "segment"}
    assert set(played["required"]) == set(shown["required"]) | {"watch_fraction"}
    assert {"202", "413", "414", "422", "503"} <= call["responses"].keys()
