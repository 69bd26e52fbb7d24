"""Who is let in, what slow and greedy clients can do, over real sockets."""

import asyncio
import base64
import hashlib
import resource
import socket
import ssl

import aiohttp
import pytest

from ewad.config import HttpSettings
from ewad.config.passwords import PasswordHash
from ewad.errors import ConfigError
from ewad.outputs.http import access, listening
from ewad.outputs.http import server as server_module
from ewad.outputs.http.access import Gate, TooManyGuesses, server_tls
from tests.outputs.engines import smoothing_engine
from tests.outputs.http.test_server import connect, make_server, raw, read_all_or_reset
from tests.system.certificates import Certificates, make_certificates


def cheap_hash(password: str) -> PasswordHash:
    """Return a hash that takes no time."""
    digest = hashlib.scrypt(password.encode(), salt=b"salt", n=2, r=1, p=1, dklen=32)
    return PasswordHash(1, 1, 1, b"salt", digest)


def basic(credentials: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


USERS = {"prometheus": cheap_hash("right:pässword"), "other": cheap_hash("other")}
RIGHT = basic("prometheus:right:pässword")
WRONG = {
    "no password": {},
    "wrong password": basic("prometheus:wrong"),
    "another user's": basic("prometheus:other"),
    "unknown user": basic("root:right:pässword"),
    "empty": basic(":"),
    "no colon": basic("prometheus"),
    "not base64": {"Authorization": "Basic §§§"},
    "not UTF-8": {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
    "another scheme": {"Authorization": "Bearer abc"},
    "the scheme alone": {"Authorization": "Basic"},
}


@pytest.fixture
async def serve(monkeypatch):
    """Return a function that starts a server and returns its URL."""
    monkeypatch.setattr(access, "REFUSAL_SECONDS", 0.0)
    servers = []

    async def start(**changes):
        servers.append(make_server(smoothing_engine(), **changes))
        ((host, port),) = await servers[-1].start()
        return f"{'https' if changes.get('tls') else 'http'}://{host}:{port}"

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("kind", WRONG)
async def test_without_the_right_password_nothing_but_healthz_is_shown(serve, client, kind):
    url = await serve(users=USERS, not_ready=lambda: "the broker's address")
    for path in ("/", "/metrics", "/readyz", "/nowhere", "/healthz/", "//healthz", "/metrics?x=/healthz"):
        async with client.get(url + path, headers=WRONG[kind]) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == 'Basic realm="ewad", charset="UTF-8"'
            assert await response.text() == "expected a user and a password\n"
    async with client.get(url + "/healthz", headers=WRONG[kind]) as response:
        assert (response.status, await response.text()) == (200, "ok\n")


async def test_the_right_password_opens_everything(serve, client):
    url = await serve(users=USERS)
    for path in ("/", "/metrics", "/readyz", "/metrics"):
        async with client.get(url + path, headers=RIGHT) as response:
            assert response.status == 200
    async with client.get(url + "/nowhere", headers=RIGHT) as response:
        assert response.status == 404


async def test_a_password_that_was_right_is_not_hashed_again():
    hashed = 0

    class Counting(PasswordHash):
        def matches(self, password: str) -> bool:
            nonlocal hashed
            hashed += 1
            return super().matches(password)

    found = USERS["prometheus"]
    gate = Gate({"prometheus": Counting(1, 1, 1, found._salt, found._hash)})
    assert [await gate.admits(RIGHT["Authorization"], "peer") for _ in range(3)] == [True] * 3
    assert hashed == 1


async def test_an_unknown_user_takes_the_work_of_the_slowest_known_one(monkeypatch):
    monkeypatch.setattr(access, "REFUSAL_SECONDS", 0.0)
    hashed = []

    def scrypt(password, *, n, r, p, **others):
        hashed.append((n, r, p))
        return b""

    gate = Gate({"slow": PasswordHash(4, 2, 3, b"salt", b"hash"), "quick": cheap_hash("quick")})
    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    for user in ("slow", "unknown"):
        assert not await gate.admits(basic(f"{user}:wrong")["Authorization"], "peer")
    assert hashed == [(16, 2, 3)] * 2


async def test_guesses_wait_for_each_other_and_a_known_password_does_not(monkeypatch):
    monkeypatch.setattr(access, "REFUSAL_SECONDS", 60.0)
    gate = Gate(USERS)
    assert await gate.admits(RIGHT["Authorization"], "peer")
    guesses = [asyncio.create_task(gate.admits(basic(f"x:{i}")["Authorization"], "peer")) for i in range(3)]
    await asyncio.wait(guesses, timeout=0.05)  # they begin
    async with asyncio.timeout(60):
        assert await gate.admits(RIGHT["Authorization"], "peer")
    assert not any(guess.done() for guess in guesses)
    for guess in guesses:
        guess.cancel()
    await asyncio.gather(*guesses, return_exceptions=True)


async def test_guesses_beyond_a_few_are_refused_unseen(serve, client, monkeypatch):
    monkeypatch.setattr(access, "REFUSAL_SECONDS", 60.0)
    url = await serve(users=USERS)
    guesses = [
        asyncio.create_task(client.get(url + "/metrics", headers=basic(f"prometheus:{i}"))) for i in range(9)
    ]
    refused, few = await asyncio.wait(guesses, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    while len(refused) < 9 - access.GUESSES_OF_A_PEER:
        done, few = await asyncio.wait(few, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        refused |= done
    for task in refused:
        async with task.result() as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "1")
            assert await response.text() == "too many passwords wait to be looked at: try again\n"
    for task in few:
        task.cancel()
    await asyncio.gather(*few, return_exceptions=True)


async def test_guesses_of_one_peer_leave_room_for_another(monkeypatch):
    monkeypatch.setattr(access, "REFUSAL_SECONDS", 0.01)
    gate = Gate(USERS)
    guesses = [asyncio.create_task(gate.admits(basic(f"x:{i}")["Authorization"], "a")) for i in range(9)]
    await asyncio.sleep(0)  # they begin
    assert await gate.admits(RIGHT["Authorization"], "b")
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(TooManyGuesses) == 9 - access.GUESSES_OF_A_PEER
    assert await asyncio.gather(*(gate.admits(basic("x:1")["Authorization"], "a") for _ in range(3)))


async def test_a_browser_that_asks_for_much_at_once_has_one_password_looked_at(serve, client):
    url = await serve(users=USERS)
    asked = [client.get(url + "/metrics", headers=RIGHT) for _ in range(9)]
    for response in await asyncio.gather(*asked):
        async with response:
            assert response.status == 200


async def test_who_was_known_stays_known_to_the_next_server_unless_the_password_changed(monkeypatch):
    monkeypatch.setattr(access, "REFUSAL_SECONDS", 0.01)
    first = Gate(USERS)
    for credentials in (RIGHT, basic("other:other")):
        assert await first.admits(credentials["Authorization"], "peer")
    second = Gate(USERS | {"other": cheap_hash("changed")})
    second.go_on_from(first)
    guesses = [asyncio.create_task(second.admits(basic(f"x:{i}")["Authorization"], str(i))) for i in range(9)]
    await asyncio.sleep(0)  # they take all the room there is
    assert await second.admits(RIGHT["Authorization"], "peer")
    await asyncio.gather(*guesses, return_exceptions=True)
    assert not await second.admits(basic("other:other")["Authorization"], "peer")
    assert await second.admits(basic("other:changed")["Authorization"], "peer")


async def test_wrong_passwords_are_told_and_never_shown(serve, client, caplog):
    url = await serve(users=USERS)
    async with client.get(url + "/metrics", headers=basic("ro\not:hush")) as response:
        assert response.status == 401
    assert [record.getMessage() for record in caplog.records] == [
        'wrong user or password user="ro\\not" peer=127.0.0.1'
    ]


async def test_one_peer_cannot_have_all_connections(serve, monkeypatch, caplog):
    monkeypatch.setattr(listening, "OF_ONE_PEER", 3)
    url = await serve()
    loop = asyncio.get_running_loop()
    kept = [connect(url) for _ in range(3)]
    try:
        for connection in kept:
            await loop.sock_sendall(connection, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await loop.sock_recv(connection, 1000)).startswith(b"HTTP/1.1 200")
        with connect(url) as further:
            assert await read_all_or_reset(further) == b""
        with connect(url, source="127.0.0.2") as another:
            await loop.sock_sendall(another, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await loop.sock_recv(another, 1000)).startswith(b"HTTP/1.1 200")
    finally:
        for connection in kept:
            connection.close()
    (record,) = caplog.records
    assert record.getMessage() == "http connections refused: peer=127.0.0.1 has 3 open, which is the limit"


async def test_tls_serves_and_plain_http_gets_nothing_and_leaves_no_log(serve, client, certificates, caplog):
    settings = HttpSettings(cert_file=str(certificates.server_cert), key_file=str(certificates.server_key))
    url = await serve(tls=server_tls(settings))
    trusted = ssl.create_default_context(cafile=certificates.ca)
    async with client.get(url + "/metrics", ssl=trusted) as response:
        assert response.status == 200
    answer = await raw(url.replace("https", "http"), b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"ewad" not in answer
    assert caplog.records == []


async def test_tls_below_1_2_is_refused(serve, client, certificates):
    settings = HttpSettings(cert_file=str(certificates.server_cert), key_file=str(certificates.server_key))
    assert server_tls(settings).minimum_version == ssl.TLSVersion.TLSv1_2
    assert server_tls(HttpSettings()) is None


@pytest.mark.parametrize("files", [("ca", "server_key"), ("server_key", "server_key"), ("ca", "missing")])
def test_a_certificate_that_does_not_serve_is_one_line_naming_the_setting(certificates, files):
    cert, key = (str(getattr(certificates, name, "/missing.pem")) for name in files)
    with pytest.raises(ConfigError, match=r"^http\.cert_file: [^\n]+: expected a PEM certificate and its un"):
        server_tls(HttpSettings(cert_file=cert, key_file=key))


@pytest.mark.parametrize("start", [b"", b"GET /metric", b"GET / HTTP/1.1\r\nHost: x\r\nA: "])
async def test_a_client_that_never_ends_its_head_is_cut_off(serve, monkeypatch, start):
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 0.3)
    url = await serve()
    loop = asyncio.get_running_loop()
    with connect(url) as connection:

        async def trickle() -> None:
            await loop.sock_sendall(connection, start)
            while start:
                await loop.sock_sendall(connection, b"a")
                await asyncio.sleep(0.05)

        async with asyncio.timeout(60):
            sending = asyncio.create_task(trickle())
            assert await read_all_or_reset(connection) == b""
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_client_that_never_begins_tls_is_cut_off(serve, monkeypatch, certificates):
    monkeypatch.setattr(listening, "HANDSHAKE_SECONDS", 0.3)
    settings = HttpSettings(cert_file=str(certificates.server_cert), key_file=str(certificates.server_key))
    url = await serve(tls=server_tls(settings))
    with connect(url.replace("https", "http")) as connection:
        async with asyncio.timeout(60):
            assert await read_all_or_reset(connection) == b""


async def test_connections_beyond_the_limit_are_closed_and_told(serve, client, monkeypatch, caplog):
    monkeypatch.setattr(listening, "CONNECTIONS", 5)
    url = await serve()
    loop = asyncio.get_running_loop()
    kept = [connect(url) for _ in range(5)]
    try:
        for connection in kept:
            await loop.sock_sendall(connection, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await loop.sock_recv(connection, 1000)).startswith(b"HTTP/1.1 200")
        for _ in range(3):
            with connect(url) as further:
                assert await read_all_or_reset(further) == b""
        kept.pop().close()
        async with asyncio.timeout(60):
            while True:  # until the server has seen that one has gone
                try:
                    async with client.get(url + "/healthz") as response:
                        assert response.status == 200
                    break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.01)
    finally:
        for connection in kept:
            connection.close()
    messages = [record.getMessage() for record in caplog.records]
    assert set(messages) == {"http connections refused: 5 are open, which is the limit"}


async def test_short_of_descriptors_connections_wait_and_are_served_when_there_are_some(
    serve, monkeypatch, caplog
):
    monkeypatch.setattr(listening, "SHORT_SECONDS", 0.05)
    host, port = (await serve()).removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setblocking(False)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as next_free:
            free = next_free.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
        try:
            await loop.sock_connect(connection, (host, int(port)))
            async with asyncio.timeout(60):
                while not caplog.records:  # noqa: ASYNC110 (what is waited for is a log)
                    await asyncio.sleep(0.01)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await loop.sock_sendall(connection, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(60):
            assert (await loop.sock_recv(connection, 1000)).startswith(b"HTTP/1.1 200")
    assert {record.getMessage() for record in caplog.records} == {
        "http connections wait: too many open files; allow the daemon more (LimitNOFILE=, ulimit -n)"
    }


async def test_an_endless_body_is_refused_and_cut_off(serve, monkeypatch):
    monkeypatch.setattr(server_module, "UNREAD_SECONDS", 0.3)
    url = await serve()
    loop = asyncio.get_running_loop()
    head = (
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    )
    with connect(url) as connection:

        async def flood() -> None:
            await loop.sock_sendall(connection, head)
            while True:
                await loop.sock_sendall(connection, b"10000\r\n" + bytes(65536) + b"\r\n")

        async with asyncio.timeout(60):
            sending = asyncio.create_task(flood())
            answer = await loop.sock_recv(connection, 1000)
            await asyncio.wait([sending])  # it can't go on for ever
    assert answer.startswith(b"HTTP/1.1 405")
    assert isinstance(sending.exception(), ConnectionError)


async def test_too_many_headers_are_refused(serve, caplog):
    head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: a\r\n" * 1000 + b"\r\n"
    answer = await raw(await serve(), head)
    assert answer.split(None, 2)[1] == b"400"
    assert caplog.records == []


async def test_every_answer_carries_the_headers_that_browsers_obey(serve, client):
    url = await serve(users=USERS)
    for path, headers in (("/", RIGHT), ("/metrics", RIGHT), ("/nowhere", RIGHT), ("/metrics", {})):
        async with client.get(url + path, headers=headers) as response:
            assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert response.headers["Referrer-Policy"] == "no-referrer"
