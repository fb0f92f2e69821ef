"""The OpenAPI document is exact: the server is called as it says, and answers as it says."""

import json

import pytest
from tests.server.world import World

pytestmark = pytest.mark.anyio


async def test_given_the_document_when_it_is_read_then_every_operation_tells_who_and_how(world: World) -> None:
    document = await world.get("/openapi.json", token=None)

    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            name = f"{method} {path}"
            assert operation["description"], name
            assert "HTTPValidationError" not in json.dumps(operation), name
            is_public = path in ("/health", "/ready", "/api/auth/token")
            assert ("security" in operation) is not is_public, name
            for code, answer in operation["responses"].items():
                if code >= "400":
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ErrorReply"}, name
    task = document["components"]["schemas"]["Task"]
    assert "promptPreview" in task["properties"]
    assert document["x-error-codes"]["staleLease"]["status"] == 409


async def test_given_the_docs_page_when_it_is_opened_then_it_loads_nothing_from_elsewhere(world: World) -> None:
    answer = await world.call("GET", "/docs", token=None)

    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "http://" not in answer.text
    assert "https://" not in answer.text
