"""Actions by POST: who may ask, what a request may be, and what is told of it."""

import aiohttp
import pytest

from ewad.errors import ConfigError
from ewad.outputs.http.actions import Desk, Forget, MarkNormal, Reload, SetLearningRate, _is_local
from tests.outputs.engines import smoothing_engine
from tests.outputs.http.test_access import RIGHT, USERS
from tests.outputs.http.test_server import make_server


class Actor:
    """Notes what it is asked to do."""

    def __init__(self):
        self.asked = []
        self.fault = None

    async def do(self, request):
        self.asked.append(request)
        if self.fault is not None:
            raise self.fault
        return "well done"


@pytest.fixture
def actor():
    return Actor()


@pytest.fixture
async def post(actor):
    """Return a function that posts to a server of these settings, and returns status and document."""
    servers = {}
    async with aiohttp.ClientSession() as session:

        async def ask(path, document=None, headers=(), data=None, **changes):
            key = tuple(changes.items())
            if key not in servers:
                server = make_server(smoothing_engine(), actor=changes.pop("actor", actor), **changes)
                servers[key] = server, await server.start()
            (_, ((host, port),)) = servers[key]
            body = {"data": data} if data is not None else {"json": document}
            url = f"http://{host}:{port}/api/v1/actions/{path}"
            async with session.post(url, headers=dict(headers), **body) as answer:
                json = answer.content_type == "application/json"
                return answer.status, await (answer.json() if json else answer.text())

        ask.servers = servers
        yield ask
        for server, _ in servers.values():
            await server.stop()


REQUESTS = [
    ("reload", {}, Reload()),
    ("forget", {"stream": "a/b"}, Forget("a/b", None)),
    ("forget", {"stream": "a", "group": "g"}, Forget("a", "g")),
    ("normal", {"stream": "a"}, MarkNormal("a", None)),
    ("learning-rate", {"model": "m", "learning_rate": 0.01}, SetLearningRate("m", 0.01)),
]


@pytest.mark.parametrize(("path", "document", "request_"), REQUESTS)
async def test_a_request_from_this_machine_is_done_logged_and_counted(
    post, actor, caplog, path, document, request_
):
    caplog.set_level("INFO")
    assert await post(path, document) == (200, {"done": "well done"})
    assert actor.asked == [request_]
    assert f'action done action={path} peer="127.0.0.1": well done' in caplog.text
    ((server, _),) = post.servers.values()
    assert f'ewad_actions_total{{action="{path}",outcome="done"}} 1.0' in (
        server._instruments.render(openmetrics=False).decode()
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1"},
        {"Via": "1.1 proxy"},
    ],
    ids=str,
)
async def test_what_a_page_or_a_proxy_sends_is_refused(post, actor, caplog, headers):
    headers = {"Content-Type": "application/json", **headers}
    status, document = await post("reload", headers=headers, data=b"{}")
    assert status == 403 and document["error"].startswith("expected")
    assert actor.asked == []
    assert "action refused action=reload" in caplog.text


async def test_actions_can_be_off(post, actor):
    assert (await post("reload", {}, actions="off"))[0] == 403
    assert actor.asked == []


async def test_where_there_are_users_only_they_act(post, actor):
    users = {"users": USERS}
    server = make_server(smoothing_engine(), actor=actor, **users)
    ((host, port),) = await server.start()
    url = f"http://{host}:{port}/api/v1/actions/reload"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json={}) as answer:
            assert answer.status == 401
        async with session.post(url, json={}, headers=RIGHT) as answer:
            assert answer.status == 200
    await server.stop()
    assert actor.asked == [Reload()]


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
        ("fe80::1%eth0", False),
        ("", False),
        (None, False),
    ],
)
def test_this_machine_is_its_loopback(peer, local):
    assert _is_local(peer) == local


def test_users_may_act_from_elsewhere_where_that_is_set(actor):
    json = {"Content-Type": "application/json"}
    assert Desk(actor, "users", {})._why_not("192.0.2.1", json) is None
    assert "this machine" in Desk(actor, "local", {})._why_not("192.0.2.1", json)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("forget", b"{}"),
        ("forget", b'{"stream": 1}'),
        ("forget", b'{"stream": "a", "all": true}'),
        ("learning-rate", b'{"model": "m", "learning_rate": "fast"}'),
        ("reload", b"[]"),
        ("reload", b"{"),
        ("reload", b'{"x": "\xff"}'),
        ("reload", b"[" * 3_000),
    ],
)
async def test_a_body_that_does_not_fit_is_answered_with_why(post, actor, path, data):
    status, document = await post(path, headers={"Content-Type": "application/json"}, data=data)
    assert status == 400 and document["error"]
    assert actor.asked == []


async def test_a_body_that_is_too_large_is_refused(post, actor):
    headers = {"Content-Type": "application/json"}
    status, _ = await post("reload", headers=headers, data=b" " * 5000)
    assert status == 413
    assert actor.asked == []


@pytest.mark.parametrize(
    ("fault", "status"), [(LookupError("no such stream"), 404), (ConfigError("unfit"), 409)]
)
async def test_what_can_not_be_done_is_told(post, actor, fault, status):
    actor.fault = fault
    assert await post("reload", {}) == (status, {"error": str(fault)})


async def test_reading_addresses_take_no_post(post):
    assert (await post("../streams", {}))[0] == 405
