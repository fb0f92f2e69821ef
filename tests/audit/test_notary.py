"""The notary: numbers that two servers share, keys that change, archives, and kills in the middle of each."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.audit import history
from tests.audit.history import checked, notary_of, with_notary

from agent_swarm.audit import archives, sources
from agent_swarm.audit.checking import Check, Evidence
from agent_swarm.audit.findings import FindingKind
from agent_swarm.audit.key_file import KeyFile, present
from agent_swarm.audit.ledger import Ledger
from agent_swarm.domain.errors import HistoryDiffers, InvalidAuditKey, NoNotary
from agent_swarm.faults import Point
from agent_swarm.store.address import DatabaseAddress, SqliteAddress, url_of
from agent_swarm.store.opening import open_store
from agent_swarm.store.sql import reaching


def numbers(folder: Path) -> list[int]:
    from agent_swarm.audit.checkpoints import parse

    return [parse(line).number for line in Ledger(folder / "checkpoints.jsonl").lines()]


def test_given_a_first_start_when_a_checkpoint_is_signed_then_its_key_is_for_its_owner_alone(
    address: DatabaseAddress, tmp_path: Path
) -> None:
    async def act(store: Any, notary: Any) -> None:
        await history.file_tasks(store, 3)
        first = await notary.checkpoint()
        assert (first.number, first.seq, first.introduces) == (1, 3, notary.public_keys()[0])
        assert await notary.checkpoint() == first  # nothing has happened since
        assert (await notary.checkpoint(actor="operator")).number == 2

    with_notary(address, tmp_path, act)
    assert stat.S_IMODE((tmp_path / "audit-key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "checkpoints.jsonl").stat().st_mode) == 0o600
    assert checked(address, tmp_path).unsigned == 1  # that somebody asked for it


def test_given_a_key_that_others_can_read_when_a_server_starts_then_it_is_refused(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "audit-key")
    keys.load()
    keys.path.chmod(0o640)
    with pytest.raises(InvalidAuditKey, match="0640"):
        keys.load()
    with pytest.raises(InvalidAuditKey, match="cannot read"):
        KeyFile(tmp_path / "nothing", is_given=True).load()


@pytest.mark.slow
@pytest.mark.anyio
async def test_given_two_servers_on_one_database_when_both_sign_then_there_is_one_sequence_in_both_files(
    postgres_server: str, tmp_path: Path
) -> None:
    from agent_swarm.store.address import parse
    from agent_swarm.testing import postgres

    with postgres.database_with_tables(postgres_server) as url:
        ada, bob = tmp_path / "ada", tmp_path / "bob"
        KeyFile(ada / "audit-key").load()
        bob.mkdir()
        (bob / "audit-key").write_bytes((ada / "audit-key").read_bytes())
        (bob / "audit-key").chmod(0o600)
        async with open_store(url) as one, open_store(url) as two:
            notaries = notary_of(one, ada), notary_of(two, bob)
            await asyncio.gather(*(notary.open() for notary in notaries))
            for _ in range(8):
                await asyncio.gather(history.file_tasks(one, 2), history.file_tasks(two, 2))
                await asyncio.gather(*(notary.checkpoint(actor="operator") for notary in notaries))
            await asyncio.gather(*(notary.follow() for notary in notaries))
        assert (ada / "checkpoints.jsonl").read_bytes() == (bob / "checkpoints.jsonl").read_bytes()
        assert numbers(ada) == list(range(1, 17))
        assert checked(parse(url), ada).is_whole
        assert checked(parse(url), bob).is_whole


@pytest.mark.slow
@pytest.mark.anyio
async def test_given_a_server_with_another_key_when_it_is_to_sign_then_it_only_follows(
    postgres_server: str, tmp_path: Path
) -> None:
    from agent_swarm.testing import postgres

    with postgres.database_with_tables(postgres_server) as url:
        async with open_store(url) as one, open_store(url) as two:
            ada, bob = notary_of(one, tmp_path / "ada"), notary_of(two, tmp_path / "bob")
            await ada.open()
            await history.file_tasks(one, 2)
            await ada.checkpoint()
            await bob.open()
            with pytest.raises(NoNotary, match="another key"):
                await bob.checkpoint()
            await ada.replace_key(actor="operator", public=bob.public_keys()[0])
            assert (await bob.checkpoint(actor="operator")).number == 3
            with pytest.raises(NoNotary, match="another key"):
                await ada.checkpoint()
        assert numbers(tmp_path / "ada") == numbers(tmp_path / "bob") == [1, 2, 3]


def test_given_an_older_copy_of_the_database_when_a_server_starts_on_it_then_it_signs_nothing(tmp_path: Path) -> None:
    address = SqliteAddress(tmp_path / "swarm.sqlite")

    async def act(store: Any, notary: Any) -> None:
        await history.file_tasks(store, 2)
        await notary.checkpoint()

    async def refused(store: Any, notary: Any) -> None:
        assert "older copy" in notary.problem
        with pytest.raises(NoNotary, match="older copy"):
            await notary.checkpoint()

    with_notary(address, tmp_path, act)
    older = address.path.read_bytes()
    with_notary(address, tmp_path, act)
    address.path.write_bytes(older)
    with_notary(address, tmp_path, refused)
    assert numbers(tmp_path) == [1, 2]


def test_given_a_history_that_was_made_anew_when_a_server_starts_on_it_then_it_signs_nothing(tmp_path: Path) -> None:
    address = SqliteAddress(tmp_path / "swarm.sqlite")
    with_notary(address, tmp_path, history.grow)
    rows = list(history.read_state(address).rows)
    rows[3] = history.changed(rows[3], actor="somebody else")
    history.write_state(address, history.rechained(rows))

    async def refused(store: Any, notary: Any) -> None:
        with pytest.raises(NoNotary, match="is not the one of checkpoint"):
            await notary.checkpoint()

    with_notary(address, tmp_path, refused)


def test_given_a_forged_checkpoint_in_the_database_when_a_server_starts_then_it_stays_out_of_the_file(
    tmp_path: Path,
) -> None:
    address = SqliteAddress(tmp_path / "swarm.sqlite")
    with_notary(address, tmp_path, history.grow)
    last = Ledger(tmp_path / "checkpoints.jsonl").last()
    assert last is not None
    from dataclasses import replace

    from agent_swarm.audit.keys import new_key

    forged = replace(last, number=last.number + 1).signed_with(new_key()).line
    with reaching.writing(address, purpose="test") as engine, engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO checkpoint VALUES (?, ?, ?)", (last.number + 1, last.seq, forged))
        connection.exec_driver_sql("UPDATE chain_state SET number = number + 1")

    async def refused(store: Any, notary: Any) -> None:
        assert "not signed by the key that counts" in notary.problem

    before = (tmp_path / "checkpoints.jsonl").read_bytes()
    with_notary(address, tmp_path, refused)
    assert (tmp_path / "checkpoints.jsonl").read_bytes() == before


# --- archives ---------------------------------------------------------------------------------------------------------


def test_given_signed_events_when_they_are_archived_then_the_rest_and_the_archive_are_whole(
    address: DatabaseAddress, tmp_path: Path
) -> None:
    async def act(store: Any, notary: Any) -> None:
        await history.grow(store, notary)
        done = await notary.archive(before=store.now() + 1, actor="operator")
        assert (done.from_seq, done.to_seq) == (1, history.signed_seqs(tmp_path)[-2])
        assert await notary.archive(before=0, actor="operator") is None
        await history.file_tasks(store, 3)
        await notary.checkpoint()

    with_notary(address, tmp_path, act)
    report = checked(address, tmp_path)
    assert (report.findings, report.from_seq) == ((), 57)
    (path,) = (tmp_path / "archives").iterdir()
    evidence = Evidence(lines=list(Ledger(tmp_path / "checkpoints.jsonl").lines()), own=present(tmp_path / "audit-key"))
    archived = Check(evidence).of_export(path)
    assert (archived.findings, archived.from_seq, archived.to_seq) == ((), 1, 56)

    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert [one.kind for one in checked(address, tmp_path).findings] == [FindingKind.ARCHIVE_DIFFERS]


def test_given_a_prefix_that_was_dropped_without_an_archive_when_it_is_checked_then_it_shows(
    tmp_path: Path,
) -> None:
    address = SqliteAddress(tmp_path / "swarm.sqlite")
    with_notary(address, tmp_path, history.grow)
    state = history.read_state(address)
    history.write_state(address, history.State(state.rows[30:], state.head))
    assert [(one.kind, one.seq) for one in checked(address, tmp_path).findings] == [(FindingKind.MISSING, 1)]

    with reaching.writing(address, purpose="test") as engine, engine.begin() as connection:
        anchor = (30, state.rows[29][history.HASH])
        connection.exec_driver_sql("UPDATE chain_state SET anchor_seq = ?, anchor_hash = ?", anchor)
    assert [one.kind for one in checked(address, tmp_path).findings] == [FindingKind.UNSIGNED_START]


def test_given_events_that_were_tampered_with_when_they_are_to_be_archived_then_nothing_is(tmp_path: Path) -> None:
    address = SqliteAddress(tmp_path / "swarm.sqlite")
    with_notary(address, tmp_path, history.grow)
    state = history.read_state(address)
    rows = list(state.rows)
    rows[4] = history.changed(rows[4], actor="somebody else")
    history.write_state(address, history.State(tuple(rows), state.head))

    async def act(store: Any, notary: Any) -> None:
        with pytest.raises(HistoryDiffers, match="event 5"):
            await notary.archive(before=store.now() + 1, actor="operator")

    with_notary(address, tmp_path, act)
    assert list((tmp_path / "archives").iterdir()) == []
    assert len(history.read_state(address).rows) == len(rows)


# --- kills ------------------------------------------------------------------------------------------------------------

POINTS = (
    Point.NOTARY_TORN,
    Point.NOTARY_RECORDED,
    Point.NOTARY_INTRODUCED,
    Point.NOTARY_ARCHIVED,
    Point.NOTARY_DROPPING,
)
DOOMED = """
import sys
from pathlib import Path
from tests.audit import history
from agent_swarm.faults import Point
from agent_swarm.store.address import parse
from agent_swarm.testing.faults.crash import Crash

address, folder = parse(sys.argv[1]), Path(sys.argv[2])

async def act(store, notary):
    await history.file_tasks(store, 5)
    await notary.checkpoint(actor="operator")
    await notary.replace_key(actor="operator")
    await history.file_tasks(store, 3)
    await notary.checkpoint()
    while await notary.archive(before=store.now() + 1, actor="operator"):
        pass

Crash(point=Point(sys.argv[3]), nth=int(sys.argv[4])).arm()
history.with_notary(address, folder, act)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "nth"),
    [(point, 1) for point in POINTS] + [(Point.NOTARY_RECORDED, nth) for nth in (2, 3, 5)] + [(Point.NOTARY_TORN, 3)],
)
def test_given_a_server_that_is_killed_at_a_point_when_the_next_one_has_started_then_all_is_whole(
    address: DatabaseAddress, tmp_path: Path, point: Point, nth: int
) -> None:
    with_notary(address, tmp_path, history.grow)
    arguments = [sys.executable, "-c", DOOMED, url_of(address), str(tmp_path), point.value, str(nth)]
    root = Path(__file__).parents[2]
    died = subprocess.run(arguments, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert died.returncode == -signal.SIGKILL

    assert checked(address, tmp_path).findings == ()  # also before anybody has put it right

    async def act(store: Any, notary: Any) -> None:
        assert notary.problem == ""
        await history.file_tasks(store, 1)
        await notary.checkpoint()

    with_notary(address, tmp_path, act)
    report = checked(address, tmp_path)
    assert (report.findings, report.unsigned) == ((), 0)
    assert numbers(tmp_path) == list(range(1, len(numbers(tmp_path)) + 1))
    with sources.opened(address) as database:
        assert database.first_seq() == database.anchor.seq + 1  # what is archived is gone
    drafts = [path for path in tmp_path.rglob("*.draft") if path.parent.name != archives.FOLDER]
    assert drafts == []
