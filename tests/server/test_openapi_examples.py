"""schemathesis calls every operation of our own OpenAPI document, rightly and wrongly, in this process."""

from typing import Any

import anyio
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from starlette.types import Receive, Scope, Send
from tests.server.test_access import MAY_CALL
from tests.server.world import API_KEY

from agent_swarm.server.access import DASHBOARD_PATHS
from agent_swarm.server.app import build_app
from agent_swarm.server.dashboard import ASSETS
from agent_swarm.server.settings import ServerSettings
from agent_swarm.services.tokens import api_key_token
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.operations import PutToken

pytestmark = pytest.mark.slow

_OF_ITS_OWN = ("/docs", "/openapi.json", "/mcp")  # the last has a protocol of its own, and suites for it
_DASHBOARD = {f"GET {path}" for path in (*DASHBOARD_PATHS, ASSETS)}  # a page and its files, which no program calls
DOCUMENTED = [call for call in MAY_CALL if call not in _DASHBOARD and not any(path in call for path in _OF_ITS_OWN)]
CASES = [
    (call, mode)
    for call in DOCUMENTED
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or call not in ("GET /health", "GET /ready")  # nothing there can be wrong
]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> schemathesis.BaseSchema:
    """The document of a server over an empty memory store; it runs in whichever event loop calls it."""
    store = BatchingStore(MemoryEngine())
    anyio.run(store.apply, PutToken(token=api_key_token(API_KEY, now=store.now())))
    app = build_app(store, ServerSettings(data_dir=tmp_path_factory.mktemp("server"), api_key=API_KEY))

    async def without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "lifespan"
        ):  # begun and ended around every call, and a server that has stopped stays stopped
            raise NotImplementedError
        await app(scope, receive, send)

    return schemathesis.openapi.from_asgi("/openapi.json", without_lifespan)


@pytest.mark.parametrize(("call", "mode"), CASES)
def test_given_the_document_when_calls_are_made_up_from_it_then_the_answers_are_as_documented(
    document: schemathesis.BaseSchema, call: str, mode: GenerationMode
) -> None:
    method, path = call.split(" ")

    @given(case=document[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def check(case: "schemathesis.Case[Any]") -> None:
        # No generator knows which tasks and projects exist, or what a cursor is.
        excluded: list[Any] = [positive_data_acceptance]
        if "" in (case.query or {}).values():
            excluded.append(negative_data_rejection)  # an empty parameter counts as not sent
        case.call_and_validate(headers={"Authorization": f"Bearer {API_KEY}"}, excluded_checks=excluded)

    check()
