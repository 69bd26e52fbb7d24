"""The API held to its own OpenAPI document by schemathesis: parameters that fit are taken, others refused."""

import asyncio
import threading

import pytest
from hypothesis import HealthCheck, given, settings

from ewad.outputs.http import actions, api
from tests.outputs.engines import feed, mixture_engine
from tests.outputs.http.test_server import make_server

PATHS = [each.path for each in api.OPERATIONS if each.document is not None]


class Willing:
    """Does whatever is asked, but for streams that it does not know."""

    async def do(self, request):
        if getattr(request, "stream", "a") != "a":
            raise LookupError("unknown")
        return "done"


@pytest.fixture(scope="module")
def served():
    """Return the URL of a server in a thread of its own: schemathesis asks and waits."""
    engine = mixture_engine()
    feed(engine, 0, "odd/ñame?&#", [1.0])
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)

    async def made():
        return make_server(engine, actor=Willing())

    server = run(made())
    ((host, port),) = run(server.start())
    yield f"http://{host}:{port}"
    run(server.stop())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", PATHS)
def test_the_api_keeps_to_its_document(served, path):
    import schemathesis

    operation = schemathesis.openapi.from_url(f"{served}/api/v1/openapi.json")[api.ROOT + path]["GET"]

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def keeps(case):
        case.call_and_validate()
        if "stream" in case.path_parameters:  # and of one that is there, too
            case.path_parameters["stream"] = "a"
            case.call_and_validate()

    keeps()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", [actions.ROOT + each.path for each in actions.ACTIONS])
def test_actions_keep_to_the_document_too(served, path):
    import schemathesis

    operation = schemathesis.openapi.from_url(f"{served}/api/v1/openapi.json")[path]["POST"]

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def keeps(case):
        case.call_and_validate()

    keeps()
