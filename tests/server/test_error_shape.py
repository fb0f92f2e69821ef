"""Whatever goes wrong, and wherever: one shape, a registered code, nothing leaked."""

from typing import Any

import httpx2
import pytest
from starlette.routing import Route
from tests.server.world import API_KEY, World

from agent_swarm.domain.errors import Busy, ShuttingDown, SwarmError
from agent_swarm.domain.ids import new_id
from agent_swarm.protocol import limits
from agent_swarm.protocol.errors import REGISTRY
from agent_swarm.server.bodies import PASSED_OVER_BYTES

pytestmark = pytest.mark.anyio


def check(answer: httpx2.Response, code: str | None = None) -> dict[str, Any]:
    """The error of `answer`, which has the one shape."""
    body = answer.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"code", "message", "hint", "details"}
    assert (type(error["code"]), type(error["message"]), type(error["hint"])) == (str, str, str)
    assert isinstance(error["details"], dict)
    assert error["message"]
    assert REGISTRY[error["code"]].status == answer.status_code
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert code is None or error["code"] == code
    return error


def concrete(path: str) -> str:
    path = path.replace("{namespace}", "swarm").replace("{key}", "k")
    return path.replace("{id}", new_id()).replace("{number}", "1").replace("{idOrName}", "x").replace("{name}", "x")


async def test_given_every_route_when_it_is_called_wrongly_then_the_refusal_has_the_one_shape(world: World) -> None:
    for route in world.app.routes:
        if not isinstance(route, Route):
            continue
        path = concrete(route.path)
        check(await world.call("TRACE", path), "methodNotAllowed")
        check(await world.call("BREW", path), "methodNotAllowed")
        check(await world.call("GET", f"{path}/nothing/here/at/all"), "notFound")
        for method in route.methods or ():
            if method in ("POST", "PATCH") and path != "/mcp":  # its protocol has errors of its own
                check(await world.call(method, path, content=b"{not json", headers=JSON))
                check(await world.call(method, path, content=b'{"surprise": 1}', headers=JSON))
                check(await world.call(method, path, content=b"[]", headers=JSON))
                check(await world.call(method, path, content=b"a=b", headers={"content-type": "text/plain"}))
                check(await world.call(method, path, content=b"", headers={"content-length": str(10**12)}), None)


JSON = {"content-type": "application/json"}
DEEP = b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalidJson"),
        (b"{", "invalidJson"),
        (b"nul", "invalidJson"),
        (b"\xff\xfe{}", "invalidJson"),
        (b'{"prompt": "\xff"}', "invalidJson"),
        (b'{"prompt": "\\ud800"}', "invalidJson"),
        (b'{"prompt": "\\udc00\\ud800"}', "invalidJson"),
        (b'\xef\xbb\xbf{"prompt": "p"}', "invalidJson"),
        (b'{"prompt": "\\u0000"}', "invalidInput"),
        (b'{"prompt": "p", "priority": 1' + b"0" * 5000 + b"}", "invalidJson"),
        (b'{"prompt": "p", "priority": 1e400}', "invalidInput"),
        (b'{"prompt": "p", "timeoutSeconds": NaN}', None),
        (b'{"prompt": "p", "timeoutSeconds": Infinity}', None),
        (b'{"prompt": "p", "prompt": "q"}', "invalidInput"),
        (b'{"prompt": "p", "requires": {"tags": [], "tags": ["x"]}}', "invalidInput"),
        (DEEP, "invalidJson"),
        (b"null", "invalidInput"),
        (b'"text"', "invalidInput"),
    ],
)
async def test_given_a_hostile_body_when_it_is_sent_then_it_is_refused_and_never_500(
    world: World, body: bytes, code: str | None
) -> None:
    answer = await world.call("POST", "/api/tasks", content=body, headers=JSON)

    assert 400 <= answer.status_code < 500
    check(answer, code)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ";"]
)
async def test_given_another_content_type_when_json_is_sent_then_the_right_one_is_named(
    world: World, content_type: str
) -> None:
    answer = await world.call("POST", "/api/tasks", content=b'{"prompt": "p"}', headers={"content-type": content_type})

    assert answer.status_code == 400
    assert "application/json" in check(answer, "invalidJson")["hint"]


async def test_given_no_content_type_when_json_is_sent_then_it_is_read(world: World) -> None:
    assert (await world.call("POST", "/api/tasks", content=b'{"prompt": "p"}')).status_code == 201


@pytest.mark.parametrize(
    "path", ["/api/tasks/build-docs", "/api/tasks/%00", "/api/tasks/%F0%9F", "/api/tasks/" + "9" * 5000]
)
async def test_given_an_id_that_is_none_when_a_task_is_asked_for_then_it_is_unknown(world: World, path: str) -> None:
    check(await world.call("GET", path), "unknownTask")
    check(await world.call("POST", f"{path}/cancel", json={}), "unknownTask")


async def test_given_an_upper_case_id_when_a_task_is_asked_for_then_it_is_found(world: World) -> None:
    task_id = await world.file()

    assert (await world.get(f"/api/tasks/{task_id.upper()}"))["id"] == task_id


async def test_given_a_body_far_over_the_limit_when_it_says_so_then_it_is_not_read(world: World) -> None:
    async def body() -> Any:
        raise AssertionError("was read")
        yield b""

    answer = await world.call(
        "POST", "/api/tasks", content=body(), headers={**JSON, "content-length": str(PASSED_OVER_BYTES + 1)}
    )

    assert answer.headers["connection"] == "close"
    assert check(answer, "tooLarge")["details"]["limit"] == limits.BODY_BYTES


@pytest.mark.parametrize(
    ("path", "limit"), [("/api/tasks", limits.BODY_BYTES), ("/api/tasks/batch", limits.BATCH_BYTES)]
)
async def test_given_a_body_without_an_end_when_it_comes_in_pieces_then_it_is_refused_on_the_way(
    world: World, path: str, limit: int
) -> None:
    sent = 0

    async def body() -> Any:
        nonlocal sent
        while sent < 4 * (limit + PASSED_OVER_BYTES):
            sent += 65536
            yield b" " * 65536

    check(await world.call("POST", path, content=body(), headers=JSON), "tooLarge")
    assert sent <= limit + PASSED_OVER_BYTES + 2 * 65536


async def test_given_an_unexpected_exception_when_it_is_raised_then_nothing_of_it_is_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(query: Any) -> None:
        raise LookupError("the password is swordfish")

    world.store.read = broken  # type: ignore[assignment, method-assign]
    world.app.context.authenticator._known.clear()

    answer = await world.call("GET", "/api/agents", headers={"x-request-id": "my-request"})

    assert "swordfish" not in answer.text
    assert "LookupError" not in answer.text
    check(answer, "internal")
    assert answer.headers["x-request-id"] == "my-request"
    logged = capsys.readouterr().out
    assert "request_failed" in logged
    assert "my-request" in logged


@pytest.mark.parametrize("error", [Busy("full"), ShuttingDown("bye")])
async def test_given_a_server_that_cannot_now_when_it_is_asked_then_it_says_when(
    world: World, error: SwarmError
) -> None:
    async def busy(operation: Any, *, lane: object = None) -> None:
        raise error

    world.store.apply = busy  # type: ignore[assignment, method-assign]

    answer = await world.call("POST", "/api/tasks", json={"prompt": "p"})

    check(answer, error.code)
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 65, "<script>", "a\tb"])
async def test_given_a_request_id_of_the_client_when_it_is_not_plain_then_we_make_our_own(
    world: World, request_id: str
) -> None:
    answer = await world.call("GET", "/health", headers={"x-request-id": request_id})

    assert answer.headers["x-request-id"] != request_id
    assert len(answer.headers["x-request-id"]) == 16


async def test_given_a_path_when_head_and_options_are_asked_then_they_answer_as_get_would(world: World) -> None:
    get = await world.call("GET", "/api/agents")
    head = await world.call("HEAD", "/api/agents")
    options = await world.call("OPTIONS", "/api/tasks")
    wrong = await world.call("DELETE", "/api/tasks")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert wrong.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await world.call("HEAD", "/api/agents", token=None)).status_code == 401
    assert (await world.call("HEAD", "/api/events", headers={"accept": "text/event-stream"})).status_code == 200
    check(await world.call("OPTIONS", "/nowhere"), "notFound")


async def test_given_the_key_in_the_wrong_place_when_it_is_refused_then_it_is_not_repeated(world: World) -> None:
    for answer in (
        await world.call("POST", "/api/tasks", json={"prompt": 1, "title": [API_KEY]}),
        await world.client.get("/api/agents", headers={"authorization": f"Token {API_KEY}"}),
        await world.call("POST", "/api/projects", json={"name": "x", "repoUrl": f"https://{API_KEY}@example.com/x"}),
    ):
        assert answer.status_code in (401, 422)
        assert API_KEY not in answer.text
