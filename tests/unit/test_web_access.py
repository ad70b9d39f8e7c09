"""Who may see the page, and what its answers forbid a browser."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from web_stage import COOKIE, PAGE, PORT, TOKEN, Client, NotedStage, nowhere

from artwork.web.access import MAX_QUERY_BYTES, new_token
from artwork.web.app import MAX_BODY_BYTES

EVERYTHING = (
    *("/", "/control", "/tour", "/static/style.css", "/static/app/dom.js", "/static/nothing"),
    *(
        "/api/session",
        "/api/catalogue",
        "/api/users",
        "/api/rows/u1",
        "/api/live",
        "/api/live.json",
        "/api/generations",
        "/api/gates",
    ),
    *("/posters/t1/a01.svg", "/nothing", "/api", "/docs", "/openapi.json", "//", "/..", "/static/../app.py"),
)
OTHER_HOSTS = (
    *("evil.example", f"evil.example:{PORT}", "127.0.0.1", "localhost", "127.0.0.1:1", f"127.0.0.1:{PORT}0", ""),
    *(f"0.0.0.0:{PORT}", f"localhost.evil.example:{PORT}", f"127.0.0.1:{PORT}@evil.example", f"127.0.0.1.:{PORT}"),
    *(f"127.1:{PORT}", f"2130706433:{PORT}", f"[::]:{PORT}", f"127.0.0.1:{PORT},evil.example", f"127.0.0.1:0{PORT}"),
)
OTHER_ORIGINS = (
    *(
        None,
        "",
        "null",
        "http://evil.example",
        f"http://127.0.0.1:{PORT}1",
        "http://127.0.0.1",
        f"{PAGE}/",
        f"{PAGE}/x",
    ),
    *(f"https://127.0.0.1:{PORT}", f"http://localhost:{PORT}", f"http://[::1]:{PORT}", f"{PAGE}.evil.example"),
    *(f"{PAGE} {PAGE}", f"{PAGE},{PAGE}", PAGE.upper()),
)


@pytest.fixture(scope="module")
def controller() -> Iterator[Client]:
    with Client(nowhere()) as client:
        yield client


@pytest.fixture
def stage(controller: Client) -> NotedStage:
    controller.stage.pressed.clear()
    return controller.stage


@pytest.fixture
def client(controller: Client) -> Client:
    controller.cookies.clear()
    controller.cookies.update(COOKIE)
    return controller


@pytest.fixture
def stranger(controller: Client) -> Client:
    controller.cookies.clear()
    return controller


@pytest.mark.parametrize("path", EVERYTHING)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nobody_gets_anything_without_the_key(stranger: Client, path: str, method: str) -> None:
    answer = stranger.ask(method, path, Origin=PAGE)
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert not stranger.cookies


@pytest.mark.parametrize("path", ["/", "/control", "/tour"])
def test_the_printed_address_gives_a_cookie_and_leads_to_the_path_without_the_key(stranger: Client, path: str) -> None:
    answer = stranger.get(f"{path}?token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["Location"] == path
    parts = {part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")}
    assert parts == {f"artwork_{PORT}={TOKEN}", "httponly", "path=/", "samesite=strict"}
    assert stranger.get("/api/session").status_code == 200


@pytest.mark.parametrize(
    "token", ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), f" {TOKEN}", "é", "\0", "%", TOKEN * 20], ids=repr
)
def test_a_key_that_is_nearly_right_opens_nothing(stranger: Client, token: str) -> None:
    assert stranger.get(f"/?token={quote(token)}").status_code == 401
    assert not stranger.cookies
    stranger.cookies.set(f"artwork_{PORT}", re.sub(r"[^!-~]", "?", token))
    assert stranger.get("/api/session").status_code == 401


@pytest.mark.parametrize("path", ["/api/session", "/static/style.css", "//evil.example/", "/nothing", "/control/"])
def test_the_key_opens_pages_alone(stranger: Client, path: str) -> None:
    answer = stranger.get(f"{path}?token={TOKEN}")
    assert (answer.status_code, answer.headers.get("Location")) == (401, None)


@pytest.mark.parametrize("name", [f"artwork_{PORT + 1}", "artwork_", "artwork", f"ARTWORK_{PORT}", f"artwork_{PORT}0"])
def test_the_cookie_of_another_page_is_no_key(stranger: Client, name: str) -> None:
    stranger.cookies.set(name, TOKEN)
    assert stranger.get("/api/session").status_code == 401


@pytest.mark.parametrize("host", OTHER_HOSTS)
@pytest.mark.parametrize("path", ["/", f"/?token={TOKEN}", "/api/session", "/static/style.css"])
def test_a_name_that_is_not_loopback_with_this_port_is_refused_even_with_the_key(
    client: Client, host: str, path: str
) -> None:
    answer = client.get(path, Host=host)
    assert answer.status_code == 421
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("other", ["evil.example", f"localhost:{PORT}", f"127.0.0.1:{PORT}"])
def test_a_request_that_names_two_hosts_or_origins_names_none(client: Client, stage: NotedStage, other: str) -> None:
    for hosts in ((f"127.0.0.1:{PORT}", other), (other, f"127.0.0.1:{PORT}")):
        assert client.get("/api/session", Host=hosts).status_code == 421
    for origins in ((PAGE, f"http://{other}"), (f"http://{other}", PAGE)):
        assert client.ask("POST", "/api/control/play", None, Origin=origins).status_code == 403
    assert stage.pressed == []


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"[::1]:{PORT}"])
def test_every_name_of_loopback_is_answered(client: Client, host: str) -> None:
    assert client.get("/api/session", Host=host).status_code == 200


@pytest.mark.parametrize("origin", OTHER_ORIGINS)
def test_a_press_from_another_origin_does_nothing(client: Client, stage: NotedStage, origin: str | None) -> None:
    answer = client.ask("POST", "/api/control/play", None, **({} if origin is None else {"Origin": origin}))
    assert answer.status_code == 403
    assert stage.pressed == []


def test_a_press_from_the_page_reaches_the_stage_with_its_arguments(client: Client, stage: NotedStage) -> None:
    answer = client.press("play", b'{"speed": 2}')
    assert answer.status_code == 202
    assert answer.json()["words"] == "the days go on"
    assert stage.pressed == [("play", {"speed": 2})]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "other"])
@pytest.mark.parametrize("path", ["/api/session", "/api/live", "/posters/t1/a01.svg", "/static/style.css"])
def test_data_are_refused_to_what_another_page_loads(client: Client, path: str, site: str) -> None:
    assert client.get(path, Sec_Fetch_Site=site).status_code == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_data_are_given_to_the_page_and_to_a_typed_address(client: Client, site: str) -> None:
    assert client.get("/api/session", Sec_Fetch_Site=site).status_code == 200


@pytest.mark.parametrize(
    "path", [*EVERYTHING[:3], "/api/session", "/nothing", "/static/style.css", "/api/users?limit=0"]
)
def test_every_answer_forbids_what_the_page_does_not_need(client: Client, stage: NotedStage, path: str) -> None:
    stage.service = "http://127.0.0.1:1"
    headers = client.get(path).headers
    rules = dict(rule.strip().partition(" ")[::2] for rule in headers["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["connect-src"] == "'self' http://127.0.0.1:1"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not {"access-control-allow-origin", "server"} & set(headers)


def test_images_of_hosts_that_were_named_may_be_shown() -> None:
    with Client(nowhere(), image_hosts=("https://images.example",)) as client:
        assert "img-src 'self' https://images.example;" in client.get("/").headers["Content-Security-Policy"]


def test_a_refusal_has_its_own_style_and_nothing_else(stranger: Client) -> None:
    policy = stranger.get("/").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    assert "connect-src" not in policy


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/%2e%2e%2fapp.py"),
        *("/static//etc/passwd", "/static/app/../../app.py", "/static/app", "/static/", "/static/nothing%00.js"),
        *("/static/..%5capp.py", "/static/%252e%252e/app.py", "/static/" + "x" * 1000, "/static/%ff.js"),
        *("/posters/..%2f..%2fapp/a01.svg", "/posters/t1/..%2f..%2fapp.svg", "/posters/t1/a01", "/posters/%00/a.svg"),
    ],
)
def test_no_path_leads_out_of_the_files_of_the_page(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in {404, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 202),
        (b"{}", 202),
        (b"[]", 422),
        (b"null", 422),
        (b"1", 422),
        (b"{", 422),
        (b"\xff", 422),
        (b'{"a": NaN}', 422),
        (b"[" * 5000, 422),
        (b'{"a": "' + b"x" * MAX_BODY_BYTES + b'"}', 413),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_press_takes_an_object_of_bounded_size(client: Client, body: bytes, status: int) -> None:
    assert client.press("play", body).status_code == status


@pytest.mark.parametrize(
    ("action", "status"), [("pause", 409), ("pace", 422), ("fly", 404), ("%00", 404), ("..", 404), ("x" * 500, 404)]
)
def test_a_press_that_cannot_be_says_why(client: Client, action: str, status: int) -> None:
    answer = client.press(action)
    assert answer.status_code == status
    assert {"type", "title", "status", "detail"} <= answer.json().keys()


def test_a_query_of_any_length_is_refused_before_it_is_read(client: Client) -> None:
    assert client.get(f"/api/users?search={'x' * MAX_QUERY_BYTES}").status_code == 414


def test_each_run_has_a_key_of_its_own() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 32


def test_the_session_tells_no_key(client: Client) -> None:
    for path in ("/api/session", "/api/live.json", "/api/live.json?history=1", "/"):
        assert TOKEN not in client.get(path).text
