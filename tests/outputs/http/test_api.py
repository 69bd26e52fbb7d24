"""The API over real sockets: documents that agree with the engine, refusals that say what was expected."""

import asyncio
import gzip
import json
import math
from dataclasses import replace
from urllib.parse import quote

import aiohttp
import msgspec
import numpy as np
import pytest

from ewad.engine import Batch, ByCount, Engine, GroupSettings, ModelSettings
from ewad.numeric.crossing import Threshold
from ewad.outputs.http import actions, api, documents, server
from ewad.outputs.http.history import PointHistory
from ewad.outputs.http.openapi import document
from ewad.outputs.http.server import HttpServer
from ewad.outputs.prometheus.exposition import Exposition
from ewad.outputs.registry import result_values
from tests.outputs.engines import INF, feed, instruments, mixture_engine, smoothing_engine, wide_engine

HOSTILE = 'a/"><script>alert(1)</script>/%2F?#&\n'


class World:
    """A server over real sockets, and the engine behind it."""

    def __init__(self, engine, units=()):
        self.engine = engine
        self.history = PointHistory()
        self.server = HttpServer(
            "127.0.0.1",
            0,
            engine=engine,
            exposition=Exposition(engine, [INF] * len(engine.groups)),
            instruments=instruments(engine),
            not_ready=lambda: None,
            units=units,
            history=self.history,
            clock=lambda: 0.0,
        )

    def observe(self, values, *, row=0, group=0, at=1000.0):
        n = len(values)
        batch = Batch(group, np.full(n, row, np.int32), at + np.arange(n), np.array(values, float))
        results = self.engine.observe(batch)
        self.history.observed(self.engine, batch, results)
        return result_values(self.engine.groups[group].settings, results)

    async def get(self, path, kind=None, status=200, headers=None, **query):
        url = self.url + "/api/v1" + path
        async with self.session.get(url, params=query, headers=headers) as response:
            body = await response.read()
            assert response.status == status, body
            return msgspec.json.decode(body, type=kind) if kind else body

    async def __aenter__(self):
        ((host, port),) = await self.server.start()
        self.url = f"http://{host}:{port}"
        self.session = aiohttp.ClientSession(auto_decompress=False, headers={"Accept-Encoding": "identity"})
        return self

    async def __aexit__(self, *error):
        await self.session.close()
        await self.server.stop()


async def ask(world, name, rest="", kind=None, status=200, **query):
    url = aiohttp.client.URL(f"{world.url}/api/v1/streams/{quote(name, safe='')}{rest}", encoded=True)
    async with world.session.get(url.update_query(query) if query else url) as response:
        body = await response.read()
        assert response.status == status, body
        return msgspec.json.decode(body, type=kind) if kind else body


async def test_a_stream_is_told_as_the_engine_has_it():
    async with World(mixture_engine(), ["celsius"]) as world:
        told = world.observe([21.0, 22.0])
        detail = await ask(world, "a", kind=documents.StreamDetail)
        now = detail.now
        assert (now.stream, now.group, now.labels, now.unit) == ("a", "temperature", {"room": "x"}, "celsius")
        assert (now.value, now.time, now.samples) == (22.0, 1001.0, 123)
        assert now.smoothed == {"0.9": told["smoothed_0.9"][-1]}
        assert [each.horizon for each in now.forecasts] == [1, 3]
        for each in now.forecasts:
            assert each.value == told[f"forecast_{each.horizon}"][-1]
            assert each.lower == told[f"lower_{each.horizon}"][-1]
        experts = {each.name: each for each in detail.model.experts}
        assert sum(each.weights["1"] for each in experts.values()) == pytest.approx(1.0)
        assert experts["linear"].learning_rate > 0
        assert experts["persistence"].learning_rate is None


async def test_history_holds_each_forecast_against_the_value_that_it_was_for():
    async with World(mixture_engine()) as world:
        told = world.observe([21.0, 22.0, 60.0])
        points = await ask(world, "a", "/history", documents.History)
        assert points.value == [21.0, 22.0, 60.0]
        assert points.forecast == [None, *told["forecast_1"][:-1]]
        assert points.upper[1:] == told["upper_1"][:-1].tolist()
        expected = (60.0 - points.forecast[2]) / (points.upper[2] - points.forecast[2])
        assert points.anomaly[2] == pytest.approx(expected)
        assert (await ask(world, "a", "/history", documents.History, points=1)).value == [60.0]


async def test_on_a_grid_a_forecast_is_for_the_step_that_was_open():
    model = ModelSettings(name="m", lags=2, horizons=(1,), every_seconds=10.0, batch_size=4)
    engine = Engine([GroupSettings("g", (ByCount(0.9),), model=model)])
    engine.add_stream(0, "a")
    async with World(engine) as world:
        told = world.observe(np.sin(np.arange(60.0) / 5.0), at=1000.0)
        points = await ask(world, "a", "/history", documents.History)
        steps = np.floor(np.array(points.time) / 10.0)
        for index, step in enumerate(steps):
            opened = int(np.flatnonzero(steps == step)[0])
            expected = told["forecast_1"][opened]
            assert points.forecast[index] == (None if math.isnan(expected) else expected)
        curve = await ask(world, "a", "/forecast", documents.Curve)
        assert curve.forecast[0].time == 1055.0  # the middle of the step that is open


async def test_a_forecast_curve_has_the_times_that_its_forecasts_are_for():
    async with World(mixture_engine()) as world:
        world.observe([21.0])
        curve = await ask(world, "a", "/forecast", documents.Curve)
        assert [each.time for each in curve.forecast] == [None, None]  # how often it reports is not known
        world.observe([22.0, 23.0], at=1060.0)
        curve = await ask(world, "a", "/forecast", documents.Curve)
        assert [each.time for each in curve.forecast] == [1061.0 + 30.5, 1061.0 + 3 * 30.5]


async def test_pages_of_streams_come_to_all_of_them_once():
    async with World(wide_engine(120)) as world:
        names, after = [], "0"
        while after is not None:
            page = await world.get("/streams", documents.StreamsPage, limit=50, after=after)
            assert page.total == 120
            names += [each.stream for each in page.streams]
            after = page.next
        assert names == sorted(names)
        assert len(set(names)) == 120


async def test_streams_are_found_by_name_group_and_label_whatever_the_case():
    engine = smoothing_engine("Plant", "Home")
    feed(engine, 0, "boiler/temp", [1.0], labels=(("site", "North"),))
    feed(engine, 1, "kitchen", [2.0])
    engine.add_stream(1, "never/seen")
    async with World(engine) as world:
        for text, found in [
            ("BOILER", {"boiler/temp"}),
            ("north", {"boiler/temp"}),
            ("home", {"kitchen"}),
            ("", {"boiler/temp", "kitchen"}),
            ("nothing", set()),
        ]:
            page = await world.get("/streams", documents.StreamsPage, search=text)
            assert {each.stream for each in page.streams} == found


async def test_groups_tell_how_many_streams_they_have_and_a_page_may_be_of_one():
    engine = mixture_engine()
    async with World(engine, ["celsius"]) as world:
        (group,) = (await world.get("/groups", documents.Groups)).groups
        anomalous = int((engine.groups[0].anomalies.left[:2] > 0).sum())
        assert (group.group, group.unit, group.streams, group.anomalous) == (
            "temperature",
            "celsius",
            2,
            anomalous,
        )
        assert anomalous == 1
    engine = smoothing_engine("plant", "home")
    feed(engine, 0, "a", [1.0])
    feed(engine, 1, "b", [2.0])
    async with World(engine) as world:
        page = await world.get("/streams", documents.StreamsPage, group="home")
        assert ([each.stream for each in page.streams], page.total) == (["b"], 1)


async def test_streams_are_sorted_and_what_is_not_known_comes_last():
    engine = smoothing_engine()
    for name, value in [("a", 2.0), ("b", 3.0), ("c", 1.0)]:
        feed(engine, 0, name, [value])
    async with World(engine) as world:
        for sort, order in [("value", "bac"), ("-value", "cab"), ("-name", "cba"), ("anomaly", "abc")]:
            page = await world.get("/streams", documents.StreamsPage, sort=sort)
            assert "".join(each.stream for each in page.streams) == order


async def test_a_hostile_name_is_found_by_its_address_and_stays_text():
    engine = smoothing_engine()
    feed(engine, 0, HOSTILE, [1.0])
    async with World(engine) as world:
        page = await world.get("/streams", documents.StreamsPage)
        assert page.streams[0].stream == HOSTILE
        assert (await ask(world, HOSTILE, kind=documents.StreamDetail)).now.stream == HOSTILE
        assert (await ask(world, HOSTILE, "/history", documents.History)).stream == HOSTILE


async def test_a_slash_in_a_name_may_stay_as_it_is():
    engine = smoothing_engine()
    feed(engine, 0, "site/hall/t", [1.0])
    feed(engine, 0, "site/history", [2.0])
    async with World(engine) as world:
        assert (await world.get("/streams/site/hall/t", documents.StreamDetail)).now.value == 1.0
        assert (await world.get("/streams/site/hall/t/history", documents.History)).stream == "site/hall/t"
        assert (await ask(world, "site/history", kind=documents.StreamDetail)).now.value == 2.0


async def test_a_name_that_no_utf8_can_carry_does_not_break_the_list():
    engine = smoothing_engine()
    feed(engine, 0, "a\ud800", [1.0])
    async with World(engine) as world:
        assert (await world.get("/streams", documents.StreamsPage)).streams[0].stream == "a?"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"limit": "0"}, "limit: expected a whole number from 1 to 500, got '0'"),
        ({"limit": "9" * 30}, "limit: expected a whole number"),
        ({"after": "-1"}, "after: expected a whole number"),
        ({"after": "١"}, "after: expected a whole number"),
        ({"sort": "colour"}, "sort: expected one of name, value, time, skill, anomaly"),
        ({"search": "x" * 2000}, "search: expected at most 1024 characters, got 2000"),
        ({"serach": "x"}, "serach: unknown parameter; known: search, group, sort, limit, after, recent"),
    ],
)
async def test_a_wrong_parameter_is_told(query, words):
    async with World(smoothing_engine()) as world:
        problem = await world.get("/streams", documents.Problem, 400, **query)
        assert problem.error.startswith(words)


async def test_an_unknown_stream_is_told():
    async with World(smoothing_engine()) as world:
        problem = await ask(world, "nobody", "", documents.Problem, 404)
        assert problem.error == "stream: expected one that has samples, got 'nobody'"


async def test_a_document_that_is_known_is_not_sent_again_and_large_ones_are_compressed():
    async with World(wide_engine(100)) as world:
        url = world.url + "/api/v1/streams"
        async with world.session.get(url) as response:
            tag, plain = response.headers["ETag"], await response.read()
        async with world.session.get(url, headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")
        async with world.session.get(url, headers={"Accept-Encoding": "gzip"}) as response:
            assert gzip.decompress(await response.read()) == plain


async def events(response):
    """Yield the id and the data of each event."""
    number = None
    async for line in response.content:
        if line.startswith(b"id: "):
            number = int(line[4:])
        elif line.startswith(b"data: "):
            yield number, msgspec.json.decode(line[6:], type=list[documents.Stream])


async def test_events_tell_of_followed_streams_when_they_change_and_resume(monkeypatch):
    monkeypatch.setattr(api, "EVENT_SECONDS", 0.01)
    engine = smoothing_engine()
    rows = [engine.add_stream(0, name) for name in "ab"]
    async with World(engine) as world, asyncio.timeout(60):
        world.observe([1.0], row=rows[0])
        url = world.url + "/api/v1/events"
        async with world.session.get(url, params={"stream": "a"}) as response:
            heard = events(response)
            number, (stream,) = await anext(heard)
            assert (stream.stream, stream.value) == ("a", 1.0)
            world.observe([7.0], row=rows[1])  # nobody follows b
            world.observe([2.0], row=rows[0], at=2000.0)
            later, (stream,) = await anext(heard)
            assert (stream.stream, stream.value) == ("a", 2.0)
            assert later > number
        async with world.session.get(
            url, params={"stream": "a"}, headers={"Last-Event-ID": str(number)}
        ) as response:
            again, (stream,) = await anext(events(response))
            assert (again, stream.value) == (later, 2.0)


async def test_more_readers_of_events_than_there_may_be_are_refused(monkeypatch):
    monkeypatch.setattr(api, "READERS", 1)
    engine = smoothing_engine()
    feed(engine, 0, "a", [1.0])
    async with World(engine) as world, asyncio.timeout(60):
        first = await world.session.get(world.url + "/api/v1/events")
        problem = await world.get("/events", documents.Problem, 503)
        assert "at most 1 readers" in problem.error
        first.close()


async def test_a_reader_of_events_keeps_no_end_waiting(monkeypatch, caplog):
    monkeypatch.setattr(server, "SHUTDOWN_SECONDS", 3600.0)
    async with World(smoothing_engine()) as world:
        response = await world.session.get(world.url + "/api/v1/events")
        async with asyncio.timeout(60):
            await world.server.stop()
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert caplog.records == []


async def test_a_reader_of_events_that_does_not_keep_up_is_dropped(monkeypatch):
    monkeypatch.setattr(api, "EVENT_SECONDS", 0.0)
    monkeypatch.setattr(api, "WRITE_SECONDS", 0.05)
    engine = wide_engine(50)
    async with World(engine) as world, asyncio.timeout(60):
        names = [("stream", name) for name in engine.groups[0].streams.names]
        response = await world.session.get(world.url + "/api/v1/events", params=names)
        response.connection.transport.pause_reading()
        at = 5000.0
        while world.server._api._readers:  # until the buffers of the sockets are full, and longer
            for row in range(50):
                world.observe([float(row)], row=row, at=at)
            at += 1.0
            await asyncio.sleep(0)
        response.close()


def test_the_openapi_document_has_every_operation_and_resolves():
    whole = document("1.2.3")
    text = json.dumps(whole)
    done = {actions.ROOT + each.path for each in actions.ACTIONS}
    assert set(whole["paths"]) == {"/api/v1" + each.path for each in api.OPERATIONS} | done
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in whole["components"]["schemas"]


async def test_the_status_tells_what_the_metrics_tell():
    async with World(smoothing_engine()) as world:
        status = await world.get("/status", documents.Status)
        assert (status.received, status.rejected, status.reconnects) == (7, {"too_large": 2}, 3)
        assert status.examples == {"too_large": documents.Example("site/<b>hall</b>/?", "temperature", "")}
        assert status.state is None


async def test_a_stream_tells_its_anomaly_with_the_reason_and_when_it_crosses_thresholds():
    settings = mixture_engine().groups[0].settings
    engine = Engine([replace(settings, thresholds=(Threshold("low", False, 50.0),))])
    feed(engine, 0, "a", np.append(20.0 + np.sin(np.arange(120.0)), 200.0), at=1000.0)
    feed(engine, 0, "b", [20.0])
    async with World(engine, ["celsius"]) as world:
        a, b = (await world.get("/streams", documents.StreamsPage, sort="anomaly")).streams
        assert (a.stream, a.anomalous, a.stuck) == ("a", True, False)
        assert set(a.reasons) <= {"jump", "run"}
        assert (b.anomaly, b.anomalous, b.reasons) == (None, False, [])
        (low,) = b.thresholds
        assert (low.name, low.above, low.value, low.time) == ("low", False, 50.0, None)
