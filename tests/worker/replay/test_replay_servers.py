"""The recorder and the player on loopback, spoken to as an agent CLI does."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent_swarm.redaction import Redactor
from agent_swarm.worker.replay.normal import Normal
from agent_swarm.worker.replay.player import Player
from agent_swarm.worker.replay.recorder import ExchangeRecorder
from agent_swarm.worker.replay.routes import Routes
from agent_swarm.worker.replay.tape import Head, Recording, Tape
from agent_swarm.worker.replay.wire import Answer, LoopbackServer, Request

pytestmark = pytest.mark.anyio

MODEL = "ANTHROPIC_BASE_URL"
CREDENTIAL = "Bearer a-credential-that-nobody-keeps"
HEAD = Head(
    task_id="t", attempt=1, harness="claude", prompt="do it", opening={}, workspace="/w", state_dir="/s", env={},
    permissions={}, bounds={}, routes={}, tree={},
)  # fmt: skip


@dataclass
class SlowModel:
    """Answers in two pieces, the second one when it is let."""

    seen: list[Request] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: Request, answer: Answer) -> None:
        self.seen.append(request)
        await answer.begin(200, {"content-type": "text/event-stream", "x-account": "ada"})
        await answer.piece(b"data: one\n\n")
        await self.go_on.wait()
        await answer.piece(b"data: two\n\n")
        await answer.end()


@dataclass
class Recorded:
    """A recorder in front of a model."""

    model: SlowModel
    recorder: ExchangeRecorder
    routes: Routes
    tape: Tape


@pytest.fixture
async def recorded(tmp_path: Path) -> AsyncIterator[Recorded]:
    model = SlowModel()
    server = LoopbackServer(model.handle)
    await server.start()
    tape = Tape(tmp_path / "recording", Redactor())
    tape.begin(HEAD)
    recorder = ExchangeRecorder(tape)
    await recorder.start()
    routes = Routes(outside={MODEL: f"http://127.0.0.1:{server.port}/base", "mcp.dead": "http://127.0.0.1:9/mcp"})
    recorder.serves(routes)
    yield Recorded(model, recorder, routes, tape)
    await recorder.stop()
    tape.close()
    await server.stop()


async def ask(port: int, target: str, body: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request; the head of its answer has been read when this returns."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = json.dumps(body).encode()
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {CREDENTIAL}\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    return reader, writer


async def status_of(reader: asyncio.StreamReader) -> int:
    return int((await reader.readuntil(b"\r\n\r\n")).split()[1])


async def test_given_an_answer_that_streams_when_it_is_recorded_then_each_piece_is_passed_on_at_once(
    recorded: Recorded,
) -> None:
    target = f"/{recorded.routes.key}/{MODEL}/v1/messages?beta=true"
    reader, writer = await ask(recorded.recorder.port, target, {"model": "m"})
    assert await status_of(reader) == 200
    assert b"data: one" in await reader.readuntil(b"one\n\n")
    recorded.model.go_on.set()
    assert b"two" in await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    await recorded.recorder.stop()
    (request,) = recorded.model.seen
    assert (request.target, request.headers["authorization"]) == ("/base/v1/messages?beta=true", CREDENTIAL)
    text = recorded.tape.path.read_text()
    assert CREDENTIAL not in text and "ada" not in text
    (step,) = Recording.read(recorded.tape.path).steps
    assert (step.n, step.status, step.is_whole, step.request) == (1, 200, True, {"model": "m"})
    assert step.body == "data: one\n\ndata: two\n\n"


async def test_given_a_client_that_leaves_in_the_middle_when_it_is_recorded_then_the_answer_is_known_to_be_cut(
    recorded: Recorded,
) -> None:
    reader, writer = await ask(recorded.recorder.port, f"/{recorded.routes.key}/{MODEL}/v1/messages", {})
    await reader.readuntil(b"one\n\n")
    await recorded.recorder.stop()
    writer.close()
    (step,) = Recording.read(recorded.tape.path).steps
    assert (step.body, step.is_whole) == ("data: one\n\n", False)


async def test_given_who_does_not_know_the_key_when_it_asks_then_nothing_is_passed_on(recorded: Recorded) -> None:
    reader, writer = await ask(recorded.recorder.port, f"/guessed/{MODEL}/v1/messages", {})
    assert await status_of(reader) == 404
    writer.close()
    assert recorded.model.seen == []
    assert Recording.read(recorded.tape.path).exchanges == ()


async def test_given_a_server_that_is_away_when_it_is_asked_then_the_client_is_told_so_and_may_try_again(
    recorded: Recorded,
) -> None:
    reader, writer = await ask(recorded.recorder.port, f"/{recorded.routes.key}/mcp.dead", {"id": 1})
    assert await status_of(reader) == 502
    writer.close()


async def test_given_a_recording_when_it_is_played_then_the_first_other_request_is_named(
    recorded: Recorded,
) -> None:
    recorded.model.go_on.set()
    target = f"/{recorded.routes.key}/{MODEL}/v1/messages"
    for text in ("one", "two"):
        reader, writer = await ask(recorded.recorder.port, target, {"messages": [{"text": text}]})
        await reader.readuntil(b"0\r\n\r\n")
        writer.close()
    await recorded.recorder.stop()
    recording = Recording.read(recorded.tape.path)
    plain = Normal({})
    player = Player(recording, routes=recorded.routes, recorded=plain, now=plain, redactor=Redactor())
    await player.start()
    try:
        statuses = []
        for text in ("two", "three", "one"):
            reader, writer = await ask(player.port, target, {"messages": [{"text": text}]})
            statuses.append(await status_of(reader))
            writer.close()
    finally:
        await player.stop()
    assert statuses == [200, 400, 400], "after a divergence nothing is answered"
    assert player.divergence is not None and player.divergence.difference is not None
    found = player.divergence.difference
    assert (player.divergence.step, found.at, found.recorded, found.asked) == (2, "messages[0].text", "one", "three")
    assert len(recorded.model.seen) == 2
