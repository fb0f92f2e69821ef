"""Spools reach the server: everything, in order, once; whatever the network, the server and the machine do."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agent_swarm.domain.backoff import Backoff
from agent_swarm.domain.errors import (
    Busy,
    IllegalTransition,
    InvalidInput,
    ResultConflict,
    ShuttingDown,
    StaleLease,
    SwarmError,
    UnknownTask,
)
from agent_swarm.protocol import limits
from agent_swarm.protocol.errors import RemoteError, TranscriptGap
from agent_swarm.protocol.pool import FrameType
from agent_swarm.worker.delivery import STUMBLES, Delivery, Verdict, judge
from agent_swarm.worker.link import LinkLost
from agent_swarm.worker.spool import Kind, Spool, SpoolHead
from agent_swarm.worker.windows import next_window

HEAD = SpoolHead(task_id="0197a1c2-5b7e-7c3d-9e4f-0123456789ab", attempt=1, fence=1)
AT_ONCE = Backoff(base=1, cap=1)
STALE = StaleLease(HEAD.task_id, presented=1, current=2)


def as_it_is(value: Any) -> Any:
    return value


class Server:
    """Keeps the rules about one attempt; `faults` say for each frame what goes wrong with it."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = iter(faults)
        self.is_running = False
        self.lines: list[dict[str, Any]] = []
        self.usage: dict[int, int] = {}
        self.progress: list[str] = []
        self.result: str | None = None
        self.frames: list[tuple[FrameType, Any]] = []

    async def request(self, kind: FrameType, body: BaseModel) -> dict[str, Any]:
        self.frames.append((kind, body))
        await asyncio.sleep(0)
        match next(self.faults, "fine"):
            case "lost before":
                raise LinkLost("before")
            case "lost after":
                self.apply(kind, body)
                raise LinkLost("after")
            case "busy":
                raise Busy("busy")
            case "forgets":  # restored from a backup: it has fewer lines than it said
                del self.lines[len(self.lines) // 2 :]
        self.apply(kind, body)
        return {}

    def apply(self, kind: FrameType, body: Any) -> None:
        match kind:
            case FrameType.START:
                self.is_running = True
            case FrameType.EVENTS:
                assert self.is_running
                if body.first > len(self.lines):
                    raise TranscriptGap("gap", details={"expected": len(self.lines)})
                self.lines.extend(body.lines[len(self.lines) - body.first :])
            case FrameType.USAGE:
                assert self.usage.setdefault(body.seq, body.input_tokens) == body.input_tokens
            case FrameType.PROGRESS:
                assert self.is_running
                self.progress.append(body.text)
            case FrameType.COMPLETE:
                assert self.is_running
                assert self.result in (None, body.text)
                self.result = body.text

    async def connected(self) -> None:
        await asyncio.sleep(0)


class Witness:
    def __init__(self) -> None:
        self.refusals: list[tuple[FrameType, str]] = []
        self.ends: list[str] = []

    def refused(self, kind: FrameType, error: SwarmError) -> None:
        self.refusals.append((kind, error.code))

    def over(self, error: SwarmError) -> None:
        self.ends.append(error.code)


def delivery(spool: Spool, server: Server, witness: Witness | None = None) -> Delivery:
    return Delivery(spool, server.request, server.connected, witness or Witness(), busy=AT_ONCE, linger_seconds=0.0001)


RECORDS = st.lists(st.sampled_from([Kind.LINE, Kind.LINE, Kind.PROGRESS, Kind.USAGE, Kind.NOTE]), max_size=30)
FAULTS = st.lists(st.sampled_from(["fine", "lost before", "lost after", "busy", "forgets"]), max_size=20)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(records=RECORDS, faults=FAULTS, crash_after=st.integers(0, 40))
def test_given_any_records_and_faults_and_a_crash_when_delivered_then_the_server_has_everything_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, records: list[Kind], faults: list[str], crash_after: int
) -> None:
    folder = tmp_path_factory.mktemp("attempt")
    server = Server(faults)

    async def first_process() -> None:
        spool = Spool.create(folder, HEAD, as_it_is)
        under_way = asyncio.create_task(delivery(spool, server).run())
        spool.append(Kind.START, {})
        for number, kind in enumerate(records):
            spool.append(kind, {"data": number} if kind is Kind.LINE else _body(kind, number))
            await asyncio.sleep(0)
        await spool.end(Kind.COMPLETE, {"text": "the result"})
        for _ in range(crash_after):
            await asyncio.sleep(0)
        under_way.cancel()
        await asyncio.gather(under_way, return_exceptions=True)
        spool.release()

    async def second_process() -> None:
        spool = Spool.reopen(folder, as_it_is)
        spool.close()
        await asyncio.wait_for(delivery(spool, server).run(), 20)
        spool.release()

    asyncio.run(first_process())
    asyncio.run(second_process())
    numbered = list(enumerate(records))
    if "forgets" not in faults:  # else it may have forgotten what was acknowledged last
        assert [line["data"] for line in server.lines] == [number for number, kind in numbered if kind is Kind.LINE]
    assert [spent for _, spent in sorted(server.usage.items())] == [n for n, kind in numbered if kind is Kind.USAGE]
    progress = [str(number) for number, kind in numbered if kind is Kind.PROGRESS]
    assert server.progress[-1:] == progress[-1:]
    assert server.result == "the result"


def _body(kind: Kind, number: int) -> dict[str, Any]:
    bodies: dict[Kind, dict[str, Any]] = {Kind.PROGRESS: {"text": str(number)}, Kind.USAGE: {"input_tokens": number}}
    return bodies.get(kind, {})


@pytest.mark.anyio
async def test_given_a_lease_that_is_over_when_delivered_then_only_lines_and_usage_are_sent(
    tmp_path: Path,
) -> None:
    class Fenced(Server):
        def apply(self, kind: FrameType, body: Any) -> None:
            if kind in (FrameType.START, FrameType.PROGRESS, FrameType.COMPLETE):
                raise STALE
            self.is_running = True
            super().apply(kind, body)

    spool = Spool.create(tmp_path, HEAD, as_it_is)
    spool.append(Kind.LINE, {"data": 0})
    spool.append(Kind.PROGRESS, {"text": "half"})
    spool.append(Kind.USAGE, {"input_tokens": 5})
    spool.append(Kind.PROGRESS, {"text": "more"})
    await spool.end(Kind.COMPLETE, {"text": "late"})
    server, witness = Fenced([]), Witness()
    await delivery(spool, server, witness).run()
    assert (server.lines, server.usage) == ([{"data": 0}], {0: 5})
    assert witness.ends == ["staleLease"]
    assert spool.is_delivered


@pytest.mark.anyio
async def test_given_many_lines_when_delivered_then_they_travel_in_full_frames(tmp_path: Path) -> None:
    spool = Spool.create(tmp_path, HEAD, as_it_is)
    spool.append(Kind.START, {})
    for number in range(1200):
        spool.append(Kind.LINE, {"data": number})
    for number in range(8):
        spool.append(Kind.LINE, {"data": "x" * 240_000, "number": number})
    await spool.end(Kind.COMPLETE, {})
    server = Server([])
    await delivery(spool, server).run()
    frames = [body for kind, body in server.frames if kind is FrameType.EVENTS]
    assert [len(frame.lines) for frame in frames][:2] == [limits.TRANSCRIPT_LINES_PER_FRAME] * 2
    assert max(len(frame.model_dump_json()) for frame in frames) < 1_300_000
    assert len(server.lines) == 1208


@pytest.mark.anyio
async def test_given_much_progress_when_the_server_is_slow_then_only_the_latest_is_sent(tmp_path: Path) -> None:
    spool = Spool.create(tmp_path, HEAD, as_it_is)
    for number in range(100):
        spool.append(Kind.PROGRESS, {"text": f"{number} %"})
    window = next_window(HEAD, spool.records())
    assert window is not None
    assert [frame.body.model_dump()["text"] for frame in window.frames] == ["99 %"]


@pytest.mark.anyio
async def test_given_a_text_that_redaction_made_too_long_when_sent_then_it_is_cut_instead_of_stopping_the_queue(
    tmp_path: Path,
) -> None:
    spool = Spool.create(tmp_path, HEAD, as_it_is)
    spool.append(Kind.PROGRESS, {"text": "x" * (limits.PROGRESS_CHARS + 50)})
    window = next_window(HEAD, spool.records())
    assert window is not None and len(window.frames[0].body.model_dump()["text"]) == limits.PROGRESS_CHARS


def test_given_a_frame_the_server_stumbles_over_when_it_was_tried_often_enough_then_it_is_given_up() -> None:
    stumbled = SwarmError("an error of ours")
    assert judge(FrameType.EVENTS, stumbled, 0) is Verdict.AGAIN
    assert judge(FrameType.EVENTS, stumbled, STUMBLES) is Verdict.REFUSED
    assert judge(FrameType.EVENTS, Busy("full"), 1000) is Verdict.AGAIN


@pytest.mark.parametrize(
    ("kind", "error", "verdict"),
    [
        (FrameType.COMPLETE, LinkLost("gone"), Verdict.AGAIN),
        (FrameType.COMPLETE, Busy("full"), Verdict.AGAIN),
        (FrameType.COMPLETE, ShuttingDown("bye"), Verdict.AGAIN),
        (FrameType.COMPLETE, STALE, Verdict.OVER),
        (FrameType.EVENTS, UnknownTask("x"), Verdict.OVER),
        (FrameType.START, IllegalTransition("x", status="paused", command="start", allowed=()), Verdict.OVER),
        (FrameType.PROGRESS, IllegalTransition("x", status="paused", command="progress", allowed=()), Verdict.REFUSED),
        (FrameType.COMPLETE, ResultConflict("other"), Verdict.REFUSED),
        (FrameType.USAGE, STALE, Verdict.REFUSED),
        (FrameType.EVENTS, TranscriptGap("gap"), Verdict.MISSING),
        (FrameType.EVENTS, InvalidInput("no"), Verdict.REFUSED),
        (FrameType.EVENTS, RemoteError("what?"), Verdict.REFUSED),
    ],
    ids=lambda value: getattr(value, "code", None) or value.value,
)
def test_given_a_refusal_when_judged_then_it_is_known_what_to_do(
    kind: FrameType, error: SwarmError, verdict: Verdict
) -> None:
    assert judge(kind, error) is verdict
