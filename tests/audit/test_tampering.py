"""Whatever is done to a history behind its back, a check finds it, and says where."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.audit import forging, history
from tests.audit.history import State

from agent_swarm.audit import exports
from agent_swarm.audit.checking import Check, Evidence, NothingToCheckBy
from agent_swarm.audit.checkpoints import parse as parse_line
from agent_swarm.audit.findings import FindingKind
from agent_swarm.audit.key_file import KeyFile, present
from agent_swarm.audit.keys import new_key
from agent_swarm.audit.ledger import Ledger
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.store.address import DatabaseAddress, SqliteAddress, parse
from agent_swarm.store.sql import reaching
from agent_swarm.testing import postgres

Grown = tuple[DatabaseAddress, Path]
tampering = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def lines_of(folder: Path) -> list[bytes]:
    return list(Ledger(folder / "checkpoints.jsonl").lines())


def write_lines(folder: Path, lines: list[bytes]) -> None:
    (folder / "checkpoints.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def test_given_a_history_that_nobody_touched_when_it_is_checked_then_it_is_whole(grown: Grown, state: State) -> None:
    report = history.checked(*grown)

    assert report.findings == ()
    assert (report.from_seq, report.to_seq, report.hash) == (1, *state.head)
    assert (report.signed_seq, report.unsigned) == (history.signed_seqs(grown[1])[-1], 5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", forging.KINDS, ids=lambda kind: kind.__name__)
def test_given_a_sqlite_file_when_somebody_tampers_with_it_then_the_check_says_where(
    grown: Grown, state: State, tmp_path: Path, kind: Any
) -> None:
    address, folder = history.copied(*grown, tmp_path / "spoilt")
    forgeries = kind(state, history.signed_seqs(folder), valid_text=False)

    @tampering
    @given(forgery=forgeries)
    def check(forgery: forging.Forgery) -> None:
        history.write_state(address, forgery.state)
        _must_be_found(forgery, address, folder)

    check()


@pytest.mark.slow
def test_given_a_postgresql_database_when_somebody_tampers_with_it_then_the_check_says_where(
    postgres_server: str, tmp_path: Path
) -> None:
    with postgres.database_with_tables(postgres_server) as url:
        address = parse(url)
        history.with_notary(address, tmp_path, history.grow)
        state = history.read_state(address)
        signed = history.signed_seqs(tmp_path)
        forgeries = st.one_of(*(kind(state, signed, valid_text=True) for kind in forging.KINDS))

        @settings(tampering, max_examples=80)
        @given(forgery=forgeries)
        def check(forgery: forging.Forgery) -> None:
            history.write_state(address, forgery.state)
            _must_be_found(forgery, address, tmp_path)

        check()
        for index in (0, 30, len(state.rows) - 1):  # SQLite's table cannot hold a number twice
            history.write_state(address, State(forging.duplicated(state.rows, index), state.head))
            report = history.checked(address, tmp_path)
            assert (report.findings[0].kind, report.first_bad_seq) == (FindingKind.OUT_OF_ORDER, index + 1)
        history.write_state(address, state)
        assert history.checked(address, tmp_path).is_whole


def _must_be_found(forgery: forging.Forgery, address: DatabaseAddress, folder: Path) -> None:
    report = history.checked(address, folder)
    assert not report.is_whole, forgery.how
    assert report.first_bad_seq is not None
    assert forgery.first <= report.first_bad_seq <= forgery.last, (forgery.how, report.findings)


@pytest.mark.parametrize("respell", [("{", "{ "), ("pending", "p\\u0065nding"), ("}", ',"priority":50}')])
def test_given_data_that_says_the_same_in_other_letters_when_it_is_checked_then_it_counts_as_changed(
    grown: Grown, state: State, tmp_path: Path, respell: tuple[str, str]
) -> None:
    address, folder = history.copied(*grown, tmp_path / "spoilt")
    rows = list(state.rows)
    data = rows[11][history.DATA].replace(*respell, 1)
    assert data != rows[11][history.DATA] and json.loads(data) == json.loads(rows[11][history.DATA])
    rows[11] = history.changed(rows[11], data=data)
    history.write_state(address, State(tuple(rows), state.head))

    assert history.checked(address, folder).first_bad_seq == 12


def test_given_a_history_and_checkpoints_made_anew_without_the_key_when_it_is_checked_then_no_signature_fits(
    grown: Grown, state: State, tmp_path: Path
) -> None:
    """In the database and outside it, and under the name of the true key."""
    address, folder = history.copied(*grown, tmp_path / "spoilt")
    rows = [*state.rows[:3], history.changed(state.rows[3], actor="somebody else"), *state.rows[4:]]
    made = history.rechained(rows)
    history.write_state(address, made)
    other, lines = new_key(), []
    for line in lines_of(folder):
        true = parse_line(line)
        digest = made.rows[true.seq - 1][history.HASH] if true.seq else true.hash
        forged = replace(true, hash=digest)
        lines.append(replace(forged, signature=other.sign(forged.signed).hex()).line.encode())
    write_lines(folder, lines)
    with reaching.writing(address, purpose="test") as engine, engine.begin() as connection:
        for number, line in enumerate(lines, start=1):
            connection.exec_driver_sql("UPDATE checkpoint SET line = ? WHERE number = ?", (line.decode(), number))

    own = history.checked(address, folder)
    pinned = history.checked(address, folder, keys=present(folder / "audit-key"))
    assert FindingKind.CHECKPOINT_FORGED in {one.kind for one in own.findings}
    assert FindingKind.CHECKPOINT_FORGED in {one.kind for one in pinned.findings}


def test_given_an_older_copy_of_the_database_when_it_was_put_in_place_then_the_check_says_what_is_gone(
    tmp_path: Path,
) -> None:
    address = SqliteAddress(tmp_path / "swarm.sqlite")

    async def begin(store: Any, notary: Any) -> None:
        await history.file_tasks(store, 5)
        await notary.checkpoint()

    history.with_notary(address, tmp_path, begin)
    older = address.path.read_bytes()
    history.with_notary(address, tmp_path, begin)
    address.path.write_bytes(older)

    report = history.checked(address, tmp_path)
    assert [(one.kind, one.seq) for one in report.findings] == [(FindingKind.TRUNCATED, 6)]


def test_given_an_older_copy_that_went_on_when_it_is_checked_then_the_other_history_shows(tmp_path: Path) -> None:
    address = SqliteAddress(tmp_path / "swarm.sqlite")

    async def begin(store: Any, notary: Any) -> None:
        await history.file_tasks(store, 5)
        if not notary.problem:
            await notary.checkpoint()

    history.with_notary(address, tmp_path, begin)
    older = address.path.read_bytes()
    history.with_notary(address, tmp_path, begin)
    address.path.write_bytes(older)
    history.with_notary(address, tmp_path, begin)  # whose notary refuses to sign this

    report = history.checked(address, tmp_path)
    assert [(one.kind, one.seq) for one in report.findings] == [(FindingKind.REWRITTEN, 6)]


def test_given_events_after_the_last_checkpoint_when_they_are_made_anew_then_they_are_told_to_be_unsigned(
    grown: Grown, state: State, tmp_path: Path
) -> None:
    """What a check cannot find, it says: nobody has signed these."""
    address, folder = history.copied(*grown, tmp_path / "spoilt")
    rows = [*state.rows[:-1], history.changed(state.rows[-1], actor="somebody else")]
    history.write_state(address, history.rechained(rows))

    report = history.checked(address, folder)
    assert (report.is_whole, report.unsigned) == (True, 5)


def test_given_a_damaged_file_when_it_is_checked_then_it_is_told_to_be_unreadable(grown: Grown, tmp_path: Path) -> None:
    address, folder = history.copied(*grown, tmp_path / "spoilt")
    with reaching.reading(address, purpose="test") as connection:
        page = connection.exec_driver_sql("SELECT pageno FROM dbstat WHERE name='event' AND pagetype='leaf'").scalar()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar()
    assert isinstance(address, SqliteAddress) and isinstance(page, int) and isinstance(size, int)
    content = bytearray(address.path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    address.path.write_bytes(content)

    report = history.checked(address, folder)
    assert FindingKind.UNREADABLE in {one.kind for one in report.findings}


# --- the file of checkpoints ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_given_the_file_of_checkpoints_when_one_bit_of_it_changes_then_the_check_finds_it(
    grown: Grown, tmp_path: Path
) -> None:
    address, folder = history.copied(*grown, tmp_path / "spoilt")
    whole = (folder / "checkpoints.jsonl").read_bytes()

    @settings(tampering, max_examples=80)
    @given(place=st.integers(0, len(whole) - 1), bit=st.integers(0, 7))
    def check(place: int, bit: int) -> None:
        content = bytearray(whole)
        content[place] ^= 1 << bit
        (folder / "checkpoints.jsonl").write_bytes(content)
        if place == len(whole) - 1:  # the last line has no end now, as a kill leaves it; the database has it
            assert any("not in the file" in note for note in history.checked(address, folder).notes)
        else:
            assert not history.checked(address, folder).is_whole

    check()


@pytest.mark.parametrize("gone", [slice(0, 1), slice(3, 4), slice(2, 5), slice(-2, None), slice(3, None)])
def test_given_the_file_of_checkpoints_when_lines_are_gone_then_the_check_finds_it(
    grown: Grown, tmp_path: Path, gone: slice
) -> None:
    address, folder = history.copied(*grown, tmp_path / "spoilt")
    lines = lines_of(folder)
    del lines[gone]
    write_lines(folder, lines)

    kinds = {one.kind for one in history.checked(address, folder).findings}
    assert kinds & {FindingKind.CHECKPOINT_MISSING, FindingKind.CHECKPOINT_FORGED}


def test_given_the_file_of_checkpoints_when_lines_are_moved_or_doubled_then_the_check_finds_it(
    grown: Grown, tmp_path: Path
) -> None:
    address, folder = history.copied(*grown, tmp_path / "spoilt")
    lines = lines_of(folder)
    for spoilt in ([lines[1], lines[0], *lines[2:]], [*lines[:3], lines[2], *lines[3:]]):
        write_lines(folder, spoilt)
        kinds = {one.kind for one in history.checked(address, folder).findings}
        assert FindingKind.CHECKPOINT_OUT_OF_ORDER in kinds


def test_given_another_history_with_checkpoints_of_another_key_when_it_is_put_in_place_then_the_check_finds_it(
    grown: Grown, tmp_path: Path
) -> None:
    """Somebody made everything anew, and has all but the key."""
    _, folder = history.copied(*grown, tmp_path / "spoilt")
    forged = tmp_path / "forged"
    address = SqliteAddress(forged / "swarm.sqlite")
    history.with_notary(address, forged, history.grow)
    write_lines(folder, lines_of(forged))

    assert history.checked(address, forged).is_whole  # by its own key
    by_own_key = history.checked(address, folder)
    pinned = history.checked(address, folder, keys=present(folder / "audit-key"))
    assert FindingKind.CHECKPOINT_FORGED in {one.kind for one in by_own_key.findings}
    assert FindingKind.CHECKPOINT_FORGED in {one.kind for one in pinned.findings}


def test_given_a_forger_who_introduces_the_true_key_at_the_end_when_it_is_checked_then_it_helps_nothing(
    grown: Grown, tmp_path: Path
) -> None:
    _, folder = history.copied(*grown, tmp_path / "spoilt")
    (true_key,) = present(folder / "audit-key")
    forged = tmp_path / "forged"
    address = SqliteAddress(forged / "swarm.sqlite")

    async def forge(store: Any, notary: Any) -> None:
        await history.grow(store, notary)
        await notary.replace_key(actor="operator", public=true_key)

    history.with_notary(address, forged, forge)
    write_lines(folder, lines_of(forged))

    assert FindingKind.CHECKPOINT_FORGED in {one.kind for one in history.checked(address, folder).findings}


def test_given_a_key_that_was_replaced_when_it_signs_again_then_that_counts_for_nothing(
    tmp_path: Path,
) -> None:
    address = SqliteAddress(tmp_path / "swarm.sqlite")
    old = KeyFile(tmp_path / "audit-key").load()
    history.with_notary(address, tmp_path, history.grow)
    lines = lines_of(tmp_path)
    last = Ledger(tmp_path / "checkpoints.jsonl").last()
    assert last is not None and last.key_id != old.public.id
    forged = last.signed_with(old)
    write_lines(tmp_path, [*lines[:-1], forged.line.encode()])

    found = history.checked(address, tmp_path)
    assert FindingKind.CHECKPOINT_FORGED in {one.kind for one in found.findings}


@pytest.mark.parametrize("which", ["first", "last"])
def test_given_a_key_kept_elsewhere_when_the_history_is_checked_by_it_then_keys_before_and_after_it_are_followed(
    tmp_path: Path, which: str
) -> None:
    address = SqliteAddress(tmp_path / "swarm.sqlite")
    first = KeyFile(tmp_path / "audit-key").load().public
    history.with_notary(address, tmp_path, history.grow)
    (last,) = present(tmp_path / "audit-key")

    report = history.checked(address, tmp_path, keys=[first if which == "first" else last])
    assert (report.findings, report.unsigned) == ((), 5)
    assert not history.checked(address, tmp_path, keys=[new_key().public]).is_whole


def test_given_no_checkpoint_when_a_history_is_checked_then_it_is_told_that_it_cannot_be(
    grown: Grown, tmp_path: Path
) -> None:
    address, folder = history.copied(*grown, tmp_path / "bare")
    with reaching.writing(address, purpose="test") as engine, engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM checkpoint")
        connection.exec_driver_sql("DELETE FROM chain_state")
    write_lines(folder, [])

    with pytest.raises(NothingToCheckBy):
        history.checked(address, folder)


# --- exports ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_given_an_export_when_one_bit_of_it_changes_then_the_check_finds_it(
    grown: Grown, state: State, tmp_path: Path, form: str
) -> None:
    make = exports.json_lines if form == "jsonl" else exports.csv_lines
    whole = b"".join(make(state.rows, "0" * 64))
    path = tmp_path / "export"
    path.write_bytes(whole)
    assert _export_is_whole(path, grown[1])

    @settings(tampering, max_examples=80)
    @given(place=st.integers(0, len(whole) - 2), bit=st.integers(0, 7))
    def check(place: int, bit: int) -> None:
        content = bytearray(whole)
        content[place] ^= 1 << bit
        with tempfile.NamedTemporaryFile(dir=tmp_path) as file:
            Path(file.name).write_bytes(content)
            assert not _export_is_whole(Path(file.name), grown[1])

    check()


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_given_an_export_when_lines_are_doubled_moved_or_gone_then_the_check_finds_it(
    grown: Grown, state: State, tmp_path: Path, form: str
) -> None:
    make = exports.json_lines if form == "jsonl" else exports.csv_lines
    rows = state.rows
    for spoilt in (
        forging.duplicated(rows, 20),
        (*rows[:10], rows[11], rows[10], *rows[12:]),
        (*rows[:10], *rows[11:]),
    ):
        (tmp_path / "export").write_bytes(b"".join(make(spoilt, "0" * 64)))
        assert not _export_is_whole(tmp_path / "export", grown[1])


def _export_is_whole(path: Path, folder: Path) -> bool:
    """Also an export that is refused as none is no whole one."""
    evidence = Evidence(lines=lines_of(folder), own=present(folder / "audit-key"))
    try:
        report = Check(evidence).of_export(path)
    except InvalidInput:
        return False
    return report.is_whole
