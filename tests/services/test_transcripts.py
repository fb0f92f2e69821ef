"""Transcripts: every line once and in order, whatever is sent again, cut off or too large."""

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.domain.errors import UnknownTask
from agent_swarm.protocol import limits
from agent_swarm.protocol.errors import TranscriptGap
from agent_swarm.services import transcripts as module
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.transcript_file import STRIDE
from agent_swarm.services.transcripts import Transcripts

pytestmark = pytest.mark.anyio
TASK = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"
NOW = 1_800_000_000_000_000


def opened(folder: Path, **options: Any) -> Transcripts:
    return Transcripts(folder, Redactor(["a-secret-value"]), **options)


def lines(*texts: str) -> list[dict[str, Any]]:
    return [{"at": "2026-11-20T18:44:35.000Z", "kind": "text", "data": {"text": text}} for text in texts]


async def texts(store: Transcripts, *, after: int = 0, limit: int = 10_000, attempt: int = 1) -> list[str]:
    found = await store.read(TASK, attempt, after=after, limit=limit)
    return [line["data"]["text"] for line in found.lines]


def file_of(folder: Path, attempt: int = 1) -> Path:
    return folder / TASK / f"{attempt}.jsonl"


async def test_given_lines_when_they_are_stored_then_they_are_read_back_by_number(tmp_path: Path) -> None:
    store = opened(tmp_path)

    assert await store.append(TASK, 1, 0, lines("a", "b"), now=NOW) == 2
    assert await store.append(TASK, 1, 2, lines("c"), now=NOW) == 3

    assert await texts(store) == ["a", "b", "c"]
    assert await texts(store, after=1, limit=1) == ["b"]
    assert await texts(store, after=7) == []
    assert await texts(store, attempt=2) == []
    assert [json.loads(line)["data"]["text"] for line in file_of(tmp_path).read_text().splitlines()] == ["a", "b", "c"]
    assert stat.S_IMODE(file_of(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(file_of(tmp_path).parent.stat().st_mode) == 0o700


async def test_given_lines_that_are_sent_again_when_they_are_stored_then_each_is_there_once(tmp_path: Path) -> None:
    store = opened(tmp_path)
    await store.append(TASK, 1, 0, lines("a", "b", "c"), now=NOW)

    assert await store.append(TASK, 1, 0, lines("a", "b"), now=NOW) == 3
    assert await store.append(TASK, 1, 1, lines("b", "c", "d"), now=NOW) == 4
    assert await store.append(TASK, 1, 4, [], now=NOW) == 4

    assert await texts(store) == ["a", "b", "c", "d"]


async def test_given_missing_lines_when_later_ones_are_sent_then_the_number_to_send_next_is_told(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    await store.append(TASK, 1, 0, lines("a"), now=NOW)

    with pytest.raises(TranscriptGap, match="got line 2, expected 1") as refused:
        await store.append(TASK, 1, 2, lines("c"), now=NOW)

    assert refused.value.details["expected"] == 1
    assert await texts(store) == ["a"]


@pytest.mark.parametrize("cut", range(1, 40, 7))
async def test_given_a_crash_in_the_middle_of_a_line_when_the_file_is_opened_then_the_half_line_is_sent_again(
    tmp_path: Path, cut: int
) -> None:
    await opened(tmp_path).append(TASK, 1, 0, lines("a", "b", "c"), now=NOW)
    os.truncate(file_of(tmp_path), file_of(tmp_path).stat().st_size - cut)

    store = opened(tmp_path)
    with pytest.raises(TranscriptGap) as refused:
        await store.append(TASK, 1, 3, lines("d"), now=NOW)
    assert refused.value.details["expected"] == 2
    await store.append(TASK, 1, 2, lines("c", "d"), now=NOW)

    assert await texts(store) == ["a", "b", "c", "d"]


async def test_given_a_disk_that_is_full_when_lines_are_written_then_the_file_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path)
    await store.append(TASK, 1, 0, lines("a"), now=NOW)
    before = file_of(tmp_path).read_bytes()
    write = os.write

    def half(descriptor: int, content: bytes) -> int:
        write(descriptor, bytes(content)[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        await store.append(TASK, 1, 1, lines("b"), now=NOW)
    monkeypatch.undo()

    assert file_of(tmp_path).read_bytes() == before
    await store.append(TASK, 1, 1, lines("b"), now=NOW)
    assert await texts(store) == ["a", "b"]


async def test_given_many_lines_when_one_is_read_then_only_its_neighbourhood_is(tmp_path: Path) -> None:
    store = opened(tmp_path)
    many = [f"line {number} {'ü' * (number % 50)}" for number in range(1000)]
    for first in range(0, 1000, 137):
        await store.append(TASK, 1, first, lines(*many[first : first + 137]), now=NOW)

    for fresh in (store, opened(tmp_path)):
        assert await texts(fresh, after=777, limit=3) == many[777:780]
        assert await texts(fresh, after=STRIDE, limit=1) == [many[STRIDE]]
        assert await texts(fresh) == many
        segment = fresh._segments[TASK, 1]
        assert (segment.lines, len(segment.offsets)) == (1000, 1 + 1000 // STRIDE)


async def test_given_long_lines_when_they_are_read_then_an_answer_is_bounded_but_never_empty(tmp_path: Path) -> None:
    store = opened(tmp_path)
    long = "x" * 200_000
    await store.append(TASK, 1, 0, lines(*[long] * 12), now=NOW)

    found = await store.read(TASK, 1, after=0, limit=1000)

    assert 1 <= len(found.lines) <= 7
    assert (found.next, found.total) == (len(found.lines), 12)


async def test_given_a_line_that_is_too_long_when_it_is_stored_then_its_beginning_is_kept(tmp_path: Path) -> None:
    store = opened(tmp_path)
    await store.append(TASK, 1, 0, lines("ü" * limits.TRANSCRIPT_LINE_BYTES, "after"), now=NOW)

    cut, after = (await store.read(TASK, 1, after=0, limit=9)).lines

    assert (cut["kind"], cut["data"]["truncated"], after["data"]["text"]) == ("text", True, "after")
    assert len(json.dumps(cut, ensure_ascii=False).encode()) <= limits.TRANSCRIPT_LINE_BYTES


async def test_given_a_transcript_at_its_limit_when_more_comes_then_it_is_acknowledged_marked_and_not_kept(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path, segment_bytes=1000)
    sent = [f"{number}" * 10 for number in range(10)] * 5

    assert await store.append(TASK, 1, 0, lines(*sent), now=NOW) == 50
    size = file_of(tmp_path).stat().st_size
    assert await store.append(TASK, 1, 50, lines("more"), now=NOW) == 51
    again = opened(tmp_path, segment_bytes=1000)
    assert await again.append(TASK, 1, 51, lines("more"), now=NOW) == 52

    kept = await texts(again)
    assert kept[:-1] == sent[: len(kept) - 1]
    assert kept[-1].startswith("the transcript is at its limit")
    assert file_of(tmp_path).stat().st_size == size < 1300


async def test_given_secrets_in_lines_when_they_are_stored_then_they_are_in_no_file(tmp_path: Path) -> None:
    store = opened(tmp_path)
    secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    line = {"at": "now", "kind": "toolCall", "data": {"input": {"env": [f"T={secret}", "a-secret-value"]}, secret: 1}}
    await store.append(TASK, 1, 0, [line], now=NOW)

    content = file_of(tmp_path).read_text()
    assert secret not in content
    assert "a-secret-value" not in content


@pytest.mark.parametrize(
    "value",
    ["\ud800", {"\udfff": "x"}, [2**70, -(2**70)], float("nan"), float("inf"), [[[]]], None, "\x00", "\u2028\n\r"],
)
async def test_given_json_that_is_hard_to_write_when_it_is_stored_then_the_line_is_still_one_and_readable(
    tmp_path: Path, value: Any
) -> None:
    store = opened(tmp_path)
    await store.append(TASK, 1, 0, [{"at": "now", "kind": "log", "data": {"value": value}}], now=NOW)
    await store.append(TASK, 1, 1, lines("after"), now=NOW)

    for fresh in (store, opened(tmp_path)):
        found = await fresh.read(TASK, 1, after=0, limit=9)
        assert [line["kind"] for line in found.lines] == ["log", "text"]


@pytest.mark.parametrize("task_id", ["../../../etc/cron.d/xxxxxxxxxxxxxxxxx", "", ".", TASK.upper(), f"{TASK}/.."])
async def test_given_an_id_that_is_none_when_lines_are_sent_then_no_path_is_made_of_it(
    tmp_path: Path, task_id: str
) -> None:
    with pytest.raises(UnknownTask):
        await opened(tmp_path).append(task_id, 1, 0, lines("x"), now=NOW)

    assert os.listdir(tmp_path) == []


async def test_given_two_who_send_the_same_at_once_when_they_are_done_then_each_line_is_there_once(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    sent = [f"{number}" for number in range(50)]

    await asyncio.gather(*(store.append(TASK, 1, 0, lines(*sent), now=NOW) for _ in range(8)))

    assert await texts(opened(tmp_path)) == sent


async def test_given_more_attempts_than_are_remembered_when_they_are_used_then_memory_stays_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPEN_SEGMENTS", 4)
    store = opened(tmp_path)
    for attempt in range(1, 12):
        await store.append(TASK, attempt, 0, lines(f"{attempt}"), now=NOW)

    assert len(store._segments) == 4
    assert await texts(store, attempt=1) == ["1"]
    await store.append(TASK, 2, 1, lines("again"), now=NOW)
    assert await texts(store, attempt=2) == ["2", "again"]


async def test_given_those_who_follow_when_lines_come_then_all_are_woken_and_nobody_is_remembered(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    first, second, other = store.more(TASK, 1), store.more(TASK, 1), store.more(TASK, 2)
    assert first is second

    await store.append(TASK, 1, 0, lines("a"), now=NOW)

    assert first.done()
    assert not other.done()
    assert store.more(TASK, 1) is not first
    del first, second, other
    assert len(store._followers) == 0
