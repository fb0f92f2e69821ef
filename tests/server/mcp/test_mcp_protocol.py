"""The endpoint: both eras, who is let in, what is refused before a tool is reached."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.server.mcp.speaking import HANDSHAKE, MODERN, ask, body_of, headers_of, refusal_of, says, tools_of
from tests.server.world import API_KEY, Live, World, opened

from agent_swarm.domain.matching import AgentRole
from agent_swarm.protocol.limits import BODY_BYTES

pytestmark = pytest.mark.anyio
ERAS = pytest.mark.parametrize("era", [MODERN, HANDSHAKE])


async def test_given_a_modern_client_when_it_discovers_then_it_is_told_of_the_version_and_of_tools(
    world: World,
) -> None:
    answer = await ask(world, "server/discover")
    result = answer.json()["result"]
    assert result["supportedVersions"] == [MODERN]
    assert "tools" in result["capabilities"]


async def test_given_an_older_client_when_it_initializes_then_it_gets_its_version_and_no_session(world: World) -> None:
    params = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
    answer = await ask(world, "initialize", params, era=HANDSHAKE)
    assert answer.json()["result"]["protocolVersion"] == HANDSHAKE
    assert "mcp-session-id" not in answer.headers


@ERAS
async def test_given_a_session_of_a_server_that_was_restarted_when_its_client_goes_on_then_it_is_answered(
    world: World, era: str
) -> None:
    headers = {**headers_of(era, "tools/list"), "mcp-session-id": "of-another-life"}
    answer = await world.call("POST", "/mcp", headers=headers, json=body_of(era, "tools/list", {}))
    assert answer.status_code == 200, answer.text


async def test_given_no_client_yet_when_the_server_serves_then_the_sdk_is_not_loaded(world: World) -> None:
    assert not world.app.mcp.is_loaded
    await tools_of(world)
    assert world.app.mcp.is_loaded


@pytest.mark.slow
def test_given_a_server_when_it_is_imported_then_the_sdk_is_not() -> None:
    code = "import sys, agent_swarm.server.app; sys.exit('mcp' in sys.modules or 'mcp_types' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


async def test_given_a_client_that_wants_a_stream_or_an_end_when_it_asks_then_the_method_is_refused(
    world: World,
) -> None:
    for method in ("GET", "DELETE"):
        answer = await world.call(method, "/mcp")
        assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")


async def test_given_a_page_of_another_origin_when_it_calls_then_it_is_refused(world: World) -> None:
    for origin in ("https://evil.example", "http://localhost.evil.example", "null", "http://[", "http://127.0.0.1.x.y"):
        headers = {**headers_of(MODERN, "tools/list"), "origin": origin, "host": "evil.example"}
        answer = await world.call("POST", "/mcp", headers=headers, json=body_of(MODERN, "tools/list", {}))
        assert answer.status_code == 403, origin
        assert refusal_of(answer)["code"] == "denied"
    assert not world.app.mcp.is_loaded


async def test_given_origins_that_are_allowed_when_their_pages_call_then_they_are_answered(tmp_path: Path) -> None:
    async with opened(tmp_path, cors_origins="https://swarm.example.com") as world:
        for origin in ("https://swarm.example.com", "http://localhost:5173", "http://[::1]:80"):
            headers = {**headers_of(MODERN, "tools/list"), "origin": origin}
            answer = await world.call("POST", "/mcp", headers=headers, json=body_of(MODERN, "tools/list", {}))
            assert answer.status_code == 200, answer.text


async def test_given_a_body_that_is_too_large_when_it_is_posted_then_it_is_refused_before_it_is_read(
    world: World,
) -> None:
    answer = await world.call(
        "POST", "/mcp", headers=headers_of(HANDSHAKE, "tools/list"), content=b" " * (BODY_BYTES + 1)
    )
    assert answer.status_code == 413
    assert not world.app.mcp.is_loaded


async def test_given_what_is_no_request_when_it_is_posted_then_the_protocol_says_so(world: World) -> None:
    for era in (MODERN, HANDSHAKE):
        headers = headers_of(era, "tools/list")
        for content in (b"", b"{", b"[]", b"17", b'{"jsonrpc": "2.0"}', b"\xff\xfe", b"[" * 5000):
            answer = await world.call("POST", "/mcp", headers=headers, content=content)
            assert answer.status_code == 400, (era, content[:20])
            assert answer.json()["error"]["code"] in (-32700, -32600, -32602), (era, content[:20])


async def test_given_the_kill_switch_when_tools_are_called_then_nobody_is_served(world: World) -> None:
    await world.post("/api/kill-switch", {"reason": "a test"})
    for token, status, code in ((API_KEY, 503, "killed"), (None, 401, "unauthenticated")):
        answer = await ask(world, "tools/list", token=token)
        assert (answer.status_code, refusal_of(answer)["code"]) == (status, code)


@ERAS
async def test_given_an_attempt_that_has_ended_when_its_agent_calls_then_it_is_told_to_stop(
    world: World, era: str
) -> None:
    agent = await world.register()
    await world.file()
    claim = await world.take(agent)
    await says(world, "my-agent-info", token=claim.token, era=era)
    await world.complete(claim)
    answer = await ask(world, "tools/call", {"name": "my-agent-info"}, token=claim.token, era=era)
    assert answer.status_code == 401
    assert "its attempt is over" in refusal_of(answer)["message"]
    assert refusal_of(answer)["hint"] == "stop: whatever this attempt still does is discarded"


async def test_given_every_role_when_tools_are_listed_then_each_sees_what_it_may_call(world: World) -> None:
    worker, lead = await world.register("w"), await world.register("l", role=AgentRole.LEAD)
    await world.file(agentId=worker.id)
    await world.file(agentId=lead.id)
    looking = {"join-swarm", "my-agent-info", "get-task-details"}
    delegating = {"get-swarm", "get-tasks", "explain-task", "send-task", "add-agent", "agent-action"}
    acting = {"cancel-task", "pause-task", "resume-task", "get-config", "set-config"}
    scheduling = {"get-schedules", "create-schedule", "schedule-action"}
    leading = delegating | scheduling | {"cancel-task", "wait-for-tasks", "steer-task"}
    talking = {"post-message", "read-messages", "list-channels", "create-channel", "join-channel"}
    keeping = {"memory-store", "memory-search", "memory-get", "memory-delete"}
    keeping |= {"kv-get", "kv-set", "kv-incr", "kv-delete", "kv-list"}
    own = {"store-progress", "request-human-input", "update-profile"}
    everybody = looking | talking | keeping | {"get-human-input", "task-action"}
    expected = {
        (await world.take(worker)).token: everybody | own,
        (await world.take(lead)).token: everybody | own | leading,
        API_KEY: everybody | delegating | scheduling | acting | {"steer-task"},
    }
    for token, names in expected.items():
        assert {tool["name"] for tool in await tools_of(world, token)} == names


async def test_given_all_tools_when_they_are_listed_then_the_list_is_small(world: World) -> None:
    answer = await ask(world, "tools/list")
    assert len(answer.content) <= 25_000  # of everything; a peer's is 296 kB


async def test_given_an_unknown_tool_when_it_is_called_then_the_protocol_names_those_there_are(world: World) -> None:
    answer = await ask(world, "tools/call", {"name": "launch-missiles"})
    error = answer.json()["error"]
    assert error["code"] == -32602
    assert "'launch-missiles'" in error["message"]
    assert "join-swarm" in error["message"]


@pytest.mark.slow
async def test_given_a_real_socket_when_the_server_ends_then_a_call_that_waits_is_answered_at_once(
    live: Live,
) -> None:
    task_id = await live.world.file()
    arguments = {"taskId": task_id, "waitSeconds": 40}
    body = body_of(MODERN, "tools/call", {"name": "get-task-details", "arguments": arguments}, progress=True)
    headers = {
        **headers_of(MODERN, "tools/call", "get-task-details"),
        "authorization": f"Bearer {API_KEY}",
    }
    async with live.client.stream("POST", f"{live.url}/mcp", headers=headers, json=body, timeout=30) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.aiter_lines()
        async for line in lines:
            if "notifications/progress" in line:
                break
        live.world.app.context.stopping.set()
        async with asyncio.timeout(5):
            rest = [line async for line in lines]
    assert any('"ended":false' in line.replace("\\", "").replace(" ", "") for line in rest)


async def test_given_white_space_around_a_header_when_a_tool_is_called_then_it_is_no_part_of_the_name(
    live: Live,
) -> None:
    body = body_of(MODERN, "tools/call", {"name": "my-agent-info", "arguments": {}})
    content = json.dumps(body).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\ncontent-type: application/json\r\n"
        f"accept: application/json\r\nmcp-protocol-version: {MODERN}\r\nmcp-method: tools/call\r\n"
        f"mcp-name:  my-agent-info \t\r\nconnection: close\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    host, _, port = live.url.rpartition("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + content)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
