"""The file between an attempt and the server, and what a crash leaves of it."""

import json
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.worker.spool import ACKED, FILE, Kind, Spool, SpoolDamaged, SpoolHead

HEAD = SpoolHead(task_id="0197a1c2-5b7e-7c3d-9e4f-0123456789ab", attempt=2, fence=3)


def as_it_is(value: Any) -> Any:
    return value


def filled(folder: Path, lines: int = 3) -> Spool:
    spool = Spool.create(folder, HEAD, as_it_is)
    spool.append(Kind.START, {"branch": "b"})
    for number in range(lines):
        spool.append(Kind.LINE, {"kind": "text", "data": {"text": f"line {number} äöü"}})
    spool.append(Kind.USAGE, {"input_tokens": 1})
    return spool


def kinds(spool: Spool) -> list[Kind]:
    return [record.kind for record in spool.records()]


def test_given_records_when_the_file_is_opened_again_then_they_are_there_in_order_and_numbered(tmp_path: Path) -> None:
    filled(tmp_path).release()
    spool = Spool.reopen(tmp_path, as_it_is)
    assert spool.head == HEAD
    assert [(record.kind, record.number) for record in spool.records()] == [
        (Kind.START, -1),
        (Kind.LINE, 0),
        (Kind.LINE, 1),
        (Kind.LINE, 2),
        (Kind.USAGE, 0),
    ]
    spool.append(Kind.LINE, {})
    assert list(spool.records())[-1].number == 3


def test_given_a_crash_at_any_byte_when_the_file_is_opened_again_then_it_holds_the_records_that_were_whole(
    tmp_path: Path,
) -> None:
    filled(tmp_path).release()
    content = (tmp_path / FILE).read_bytes()
    head_bytes = content.index(b"\n") + 1
    whole = kinds(Spool.reopen(tmp_path, as_it_is))
    for size in range(len(content) + 1):
        (tmp_path / FILE).write_bytes(content[:size])
        if size < head_bytes - 1:
            with pytest.raises(SpoolDamaged):
                Spool.reopen(tmp_path, as_it_is)
            continue
        if size < head_bytes:
            continue
        spool = Spool.reopen(tmp_path, as_it_is)
        count = content[head_bytes:size].count(b"\n")
        assert kinds(spool) == whole[:count]
        spool.append(Kind.PROGRESS, {"text": "after the crash"})
        assert kinds(spool) == [*whole[:count], Kind.PROGRESS]
        spool.release()


@given(st.binary(max_size=12))
def test_given_any_acknowledged_position_on_disk_when_opened_then_delivery_starts_at_a_record(
    tmp_path_factory: pytest.TempPathFactory, told: bytes
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    filled(folder).release()
    (folder / ACKED).write_bytes(told)
    spool = Spool.reopen(folder, as_it_is)
    assert kinds(spool)[-len(list(spool.records(spool.position))) :] == [
        record.kind for record in spool.records(spool.position)
    ]
    spool.close()
    assert spool.is_delivered == (not list(spool.records(spool.position)))


def test_given_an_acknowledged_position_when_opened_again_then_delivery_goes_on_there(tmp_path: Path) -> None:
    spool = filled(tmp_path)
    middle = list(spool.records())[1].end
    spool.acknowledge(middle)
    spool.release()
    again = Spool.reopen(tmp_path, as_it_is)
    assert [record.number for record in again.records(again.position)] == [1, 2, 0]


@pytest.mark.anyio
async def test_given_an_ending_when_more_is_added_then_it_is_dropped(tmp_path: Path) -> None:
    spool = filled(tmp_path)
    await spool.end(Kind.COMPLETE, {"text": "done"})
    spool.append(Kind.LINE, {})
    assert (spool.ending, spool.is_closed, kinds(spool)[-1]) == (Kind.COMPLETE, True, Kind.COMPLETE)
    assert not spool.is_delivered
    spool.acknowledge(list(spool.records())[-1].end)
    assert spool.is_delivered
    assert Spool.reopen(tmp_path, as_it_is).ending is Kind.COMPLETE


def test_given_secrets_when_records_are_added_then_they_are_not_in_the_file(tmp_path: Path) -> None:
    spool = Spool.create(tmp_path, HEAD, lambda value: json.loads(json.dumps(value).replace("hunter2", "*")))
    spool.append(Kind.LINE, {"data": {"text": "hunter2"}})
    assert "hunter2" not in (tmp_path / FILE).read_text()


def test_given_half_a_character_when_it_is_added_then_the_file_stays_readable(tmp_path: Path) -> None:
    spool = filled(tmp_path)
    spool.append(Kind.LINE, {"data": {"text": "\ud800"}})
    assert len(list(spool.records())) == 6


def test_given_a_full_disk_when_records_are_added_then_what_is_there_stays_whole_and_it_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    spool = filled(tmp_path)
    before = kinds(spool)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / FILE).stat().st_size + 20, hard))
    try:
        spool.append(Kind.LINE, {"data": {"text": "x" * 100}})  # dropped
        with pytest.raises(OSError, match="too large"):
            spool.append(Kind.PROGRESS, {"text": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert kinds(spool) == before
    spool.append(Kind.PROGRESS, {"text": "x" * 100})
    assert kinds(Spool.reopen(tmp_path, as_it_is)) == [*before, Kind.PROGRESS]


def test_given_a_line_the_server_misses_when_rewound_then_delivery_starts_at_it(tmp_path: Path) -> None:
    spool = filled(tmp_path)
    spool.acknowledge(list(spool.records())[-1].end)
    assert spool.rewind(1)
    assert [record.number for record in spool.records(spool.position)] == [1, 2, 0]
    assert not spool.rewind(17)
