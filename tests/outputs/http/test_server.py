import asyncio
import gzip
import re
import socket
import threading
import time
import tracemalloc
import zlib

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ewad.errors import ConfigError
from ewad.outputs.http import server as server_module
from ewad.outputs.http.server import HttpServer
from ewad.outputs.prometheus.exposition import Exposition
from tests.outputs.engines import INF, instruments, model_engine, smoothing_engine, wide_engine
from tests.outputs.prometheus.test_negotiation import PROMETHEUS_2, PROMETHEUS_3

WIDE = 40_000  # streams: a scrape of about 20 MB, far more than the sockets' buffers hold


def make_server(
    engine,
    *,
    host="127.0.0.1",
    port=0,
    not_ready=lambda: None,
    tls=None,
    users=None,
    actor=None,
    actions="local",
    **changes,
):
    return HttpServer(
        host,
        port,
        engine=engine,
        exposition=Exposition(engine, [INF] * len(engine.groups)),
        instruments=instruments(engine, **changes),
        not_ready=not_ready,
        tls=tls,
        users=users,
        clock=lambda: 0.0,
        actor=actor,
        actions=actions,
    )


@pytest.fixture
async def serve():
    """Return a function that starts a server and returns its URL."""
    servers = []

    async def start(engine=None, **changes):
        server = make_server(engine or model_engine("stream"), **changes)
        servers.append(server)
        ((host, port),) = await server.start()
        return f"http://{host}:{port}"

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def client():
    async with aiohttp.ClientSession(
        auto_decompress=False, headers={"Accept-Encoding": "identity"}
    ) as session:
        yield session


def connect(url, source=""):
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), source_address=(source, 0))
    connection.setblocking(False)
    return connection


async def read_all(connection):
    loop, parts = asyncio.get_running_loop(), []
    while part := await loop.sock_recv(connection, 1 << 16):
        parts.append(part)
    return b"".join(parts)


async def read_all_or_reset(connection):
    """Return what comes until the connection is closed or cut off; b"" where nothing can be said."""
    try:
        return await read_all(connection)
    except ConnectionResetError:
        return b""


async def raw(url, request):
    """Send bytes and return all that comes back until the server closes the connection."""
    with connect(url) as connection:
        await asyncio.get_running_loop().sock_sendall(connection, request)
        return await read_all(connection)


async def half_read_scrape(url):
    """Start a scrape, read its first bytes and no more; return the open socket."""
    loop, connection = asyncio.get_running_loop(), connect(url)
    await loop.sock_sendall(connection, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    await loop.sock_recv(connection, 100)
    return connection


async def test_metrics_are_one_valid_text_document(serve, client):
    async with client.get(await serve() + "/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        names = [family.name for family in parse_text(await response.text())]
    assert {"ewad_value", "ewad_loss", "ewad_messages_received", "ewad_observe_seconds"} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("accept", [PROMETHEUS_2, PROMETHEUS_3])
async def test_prometheus_gets_one_valid_openmetrics_document(serve, client, accept):
    async with client.get(await serve() + "/metrics", headers={"Accept": accept}) as response:
        assert (
            response.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        )
        text = await response.text()
    names = {family.name for family in parse_openmetrics(text)}
    assert {"ewad_value", "ewad_samples", "ewad_messages_received", "ewad_build"} <= names
    assert text.count("# EOF") == 1


async def test_promtool_accepts_the_document(serve, client, promtool_check):
    async with client.get(await serve() + "/metrics") as response:
        text = await response.text()
    assert await asyncio.to_thread(promtool_check, text) == ""


async def test_gzip_carries_the_same_series(serve, client):
    engine = wide_engine(5000)
    url = await serve(engine) + "/metrics"
    async with client.get(url, headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers
        plain = await response.read()
    async with client.get(url, headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        packed = await response.read()

    def series(text):
        return [line for line in text.splitlines() if b"{stream=" in line]

    assert series(gzip.decompress(packed)) == series(plain)
    assert len(packed) < len(plain) / 4
    assert {"Accept", "Accept-Encoding"} == set(response.headers["Vary"].split(", "))


async def test_head_tells_the_headers_of_get(serve, client):
    url = await serve()
    for path in ("/metrics", "/", "/healthz", "/readyz"):
        async with client.head(url + path) as head, client.get(url + path) as get:
            assert head.status == get.status
            assert head.headers["Content-Type"] == get.headers["Content-Type"]
            assert await head.read() == b""


async def test_healthz_says_ok(serve, client):
    async with client.get(await serve(not_ready=lambda: "no broker") + "/healthz") as response:
        assert (response.status, await response.text()) == (200, "ok\n")


async def test_readyz_says_ready(serve, client):
    async with client.get(await serve() + "/readyz") as response:
        assert (response.status, await response.text()) == (200, "ready\n")


async def test_readyz_says_why_not(serve, client):
    async with client.get(await serve(not_ready=lambda: "not connected to mqtt://x") + "/readyz") as response:
        assert (response.status, await response.text()) == (503, "not connected to mqtt://x\n")


async def test_the_page_is_html_under_a_strict_policy(serve, client):
    url = await serve()
    async with client.get(url + "/") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = response.headers["Content-Security-Policy"]
        text = await response.text()
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert " style=" not in text  # the policy would refuse these, and inline scripts
    assert re.findall(r"<script[^>]*>([^<]*)</script>", text) == ["", ""]
    for address in re.findall(r'(?:href|src)="(/page/[^"]+)"', text):
        async with client.get(url + address) as response:
            assert response.status == 200, address


async def test_a_file_of_the_page_is_sent_once(serve, client):
    url = await serve()
    async with client.get(url + "/page/app.js") as response:
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        tag = response.headers["ETag"]
    async with client.get(url + "/page/app.js", headers={"If-None-Match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fserver.py", "%2e%2e%2fserver.py", ".", ""])
async def test_nothing_but_the_files_of_the_page_is_served(serve, client, name):
    async with client.get(await serve() + "/page/" + name) as response:
        assert response.status == 404


async def test_every_answer_forbids_sniffing_and_names_no_version(serve, client):
    url = await serve()
    for path in ("/", "/metrics", "/healthz", "/readyz", "/nowhere"):
        async with client.get(url + path) as response:
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Server"] == "ewad"


async def test_unknown_paths_are_not_found(serve, client):
    async with client.get(await serve() + "/nowhere") as response:
        assert response.status == 404


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz"])
async def test_other_methods_are_not_allowed(serve, client, path):
    async with client.post(await serve() + path, data=b"x") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET,HEAD"


async def test_a_malformed_request_is_refused_without_banner_or_log(serve, caplog):
    answer = await raw(await serve(), b"\x16\x03\x01 nonsense\r\n\r\n")
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert b"aiohttp" not in answer
    assert b"Python" not in answer
    assert caplog.records == []


async def test_endless_headers_are_refused(serve, caplog):
    answer = await raw(await serve(), b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000 + b"\r\n\r\n")
    assert answer.split(None, 2)[1] == b"400"
    assert caplog.records == []


async def test_a_fault_of_ours_is_logged_and_shown_to_nobody(serve, client, caplog):
    def fault():
        raise RuntimeError("secret")

    async with client.get(
        await serve(not_ready=fault) + "/readyz", headers={"Accept": "text/html"}
    ) as response:
        assert response.status == 500
        text = await response.text()
    assert "secret" not in text
    assert "Traceback" not in text
    assert [record.exc_info[1].args for record in caplog.records] == [("secret",)]


async def test_a_port_in_use_is_one_line_naming_the_setting():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            await make_server(smoothing_engine(), port=port).start()
    assert str(caught.value) == f"http.listen: can't listen on 127.0.0.1:{port}: address already in use"


@pytest.mark.parametrize("host", ["nosuch.invalid", "a..b", "x" * 300])
async def test_an_unknown_host_is_one_line_naming_the_setting(host):
    with pytest.raises(ConfigError, match=r"^http\.listen: unknown host .*$"):
        await make_server(smoothing_engine(), host=host).start()


async def test_an_address_of_another_machine_is_one_line_naming_the_setting():
    with pytest.raises(ConfigError, match=r"^http\.listen: can't listen on 203\.0\.113\.9:0: [^\n]+$"):
        await make_server(smoothing_engine(), host="203.0.113.9").start()


async def test_an_impossible_port_is_one_line_naming_the_setting():
    with pytest.raises(ConfigError, match=r"^http\.listen: expected a port from 0 to 65535, got 65536$"):
        await make_server(smoothing_engine(), port=65536).start()


async def test_a_stopped_server_leaves_its_port_and_may_be_stopped_twice():
    server = make_server(smoothing_engine())
    ((host, port),) = await server.start()
    await server.stop()
    await server.stop()
    again = make_server(smoothing_engine(), host=host, port=port)
    assert await again.start() == [(host, port)]
    await again.stop()


async def stop_seconds(server):
    start = time.monotonic()
    await server.stop()
    return time.monotonic() - start


async def test_stopping_is_quick_with_an_idle_connection(client):
    server = make_server(smoothing_engine())
    ((host, port),) = await server.start()
    async with client.get(f"http://{host}:{port}/healthz") as response:
        await response.read()
    assert await stop_seconds(server) < server_module.IDLE_SECONDS / 2  # it does not wait for it


async def test_stopping_is_quick_with_a_scrape_that_is_not_read():
    server = make_server(wide_engine(WIDE))
    ((host, port),) = await server.start()
    with await half_read_scrape(f"http://{host}:{port}"):
        assert await stop_seconds(server) < server_module.SCRAPE_SECONDS / 2


async def test_slow_readers_keep_no_other_scrape_waiting(serve, client, monkeypatch):
    monkeypatch.setattr(server_module, "SCRAPE_SECONDS", 3600.0)
    url = await serve(wide_engine(WIDE))
    slow = [await half_read_scrape(url) for _ in range(6)]
    async with asyncio.timeout(60), client.get(url + "/metrics") as response:
        assert (await response.read()).startswith(b"# HELP")
    for connection in slow:
        connection.close()


async def test_a_scrape_that_takes_too_long_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(server_module, "SCRAPE_SECONDS", 0.3)
    connection = await half_read_scrape(await serve(wide_engine(WIDE)))
    await asyncio.sleep(0.6)  # longer than it may take
    with connection:  # cut off, not ended as if it were whole
        assert not (await read_all_or_reset(connection)).endswith(b"\r\n0\r\n\r\n")


async def test_a_client_that_leaves_midway_leaves_no_log(serve, client, caplog):
    url = await serve(wide_engine(WIDE))
    for _ in range(3):
        (await half_read_scrape(url)).close()
    async with client.get(url + "/metrics") as response:
        await response.read()
    assert caplog.records == []


async def test_other_tasks_run_during_a_scrape(serve, client):
    url = await serve(wide_engine(WIDE))
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    async with client.get(url + "/metrics") as response:
        before = ticks
        await response.read()
        assert ticks - before > 100
    ticking.cancel()


async def test_a_scrape_is_compressed_off_the_event_loop(serve, client, monkeypatch):
    threads = set()
    make = zlib.compressobj

    class Watched:
        def __init__(self, *options):
            self._packer = make(*options)
            self.flush = self._packer.flush

        def compress(self, part):
            threads.add(threading.get_ident())
            return self._packer.compress(part)

    monkeypatch.setattr(zlib, "compressobj", Watched)
    url = await serve(wide_engine(WIDE))
    async with client.get(url + "/metrics", headers={"Accept-Encoding": "gzip"}) as response:
        await response.read()
    assert threads and threading.get_ident() not in threads


async def test_a_scrape_is_streamed_not_held(serve, client):
    url = await serve(wide_engine(WIDE))
    (await half_read_scrape(url)).close()  # the label text is written by now, or half of it
    tracemalloc.start()
    try:
        async with client.get(url + "/metrics") as response:
            size = sum([len(part) async for part in response.content.iter_chunked(1 << 16)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 15e6
    assert peak < size / 2
