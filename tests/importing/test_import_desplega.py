"""Importing desplega-ai/agent-swarm: what comes over, what is kept, whole or not at all, once."""

import json
import shutil
import sqlite3
from functools import partial
from pathlib import Path

import pytest
from tests.importing.conftest import Home
from tests.importing.foreign_swarm import CODER, KEY, LEAD, REPO, DesplegaSwarm, a_swarm, id_of, sealed

from agent_swarm.domain.budgets import RootCaps
from agent_swarm.domain.errors import AlreadyExists, SwarmError
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.importing import carrying_out
from agent_swarm.importing.desplega.database import read_tables
from agent_swarm.importing.desplega.rows import understood
from agent_swarm.importing.desplega.secrets import WrongKey
from agent_swarm.importing.foreign import Foreign, UnreadableSource
from agent_swarm.importing.plan import Plan
from agent_swarm.importing.planning import planned
from agent_swarm.services.firing import firing_of
from agent_swarm.services.tasks import Rules
from agent_swarm.store.base import Queries
from agent_swarm.store.families.schedules import SCHEDULE_WORK, SCHEDULES
from agent_swarm.store.operations import CreateProject
from agent_swarm.store.records import ProjectRecord
from agent_swarm.store.sql.file_lock import StoreLockedError, locked

pytestmark = pytest.mark.slow  # each makes two databases


@pytest.fixture
def swarm(tmp_path: Path) -> DesplegaSwarm:
    return a_swarm(tmp_path / "theirs")


def test_given_their_swarm_when_it_is_imported_then_agents_and_projects_are_known_under_their_ids(
    home: Home, swarm: DesplegaSwarm
) -> None:
    done = home.take_desplega(swarm.path)
    assert done.new == {"agents": 2, "projects": 1, "tasks": 4, "schedules": 1, "config": 0, "swarms": 0, "messages": 0}
    lead, ada = home.read(lambda queries: (queries.agent(LEAD), queries.agent(CODER)))
    assert lead is not None and ada is not None
    assert (lead.name, lead.profile.agent_role, lead.slots, lead.harness) == ("Lead", AgentRole.LEAD, 2, "claude")
    assert (ada.profile.role, ada.profile.skills, ada.harness) == ("frontend", frozenset({"ts", "css"}), "devin")
    assert ada.offline_at is not None
    project = home.read(lambda queries: queries.project("shop"))
    assert project is not None
    assert (project.id, project.repo_url) == (REPO, "https://git.example/team/shop.git")


def test_given_their_tasks_when_they_are_imported_then_they_wait_for_what_they_waited_for(
    home: Home, swarm: DesplegaSwarm
) -> None:
    home.take_desplega(swarm.path)
    tasks = home.tasks()
    assert {name: task.state.status for name, task in tasks.items()} == {
        "Build the form": TaskStatus.PENDING,
        "Test the form": TaskStatus.BLOCKED,
        "Think about it": TaskStatus.BACKLOG,
        "Was under way": TaskStatus.PENDING,
    }
    form, test = tasks["Build the form"].spec, tasks["Test the form"].spec
    assert (form.id, form.priority, form.labels, form.project_id) == (id_of(2), 80, ("ui",), REPO)
    assert (form.harness, form.requires.capabilities) == ("claude", frozenset({"harness.claude"}))
    assert (test.requires.agent_id, test.harness, test.requires.capabilities) == (
        CODER,
        None,
        frozenset({"harness.devin"}),
    )


def test_given_what_has_no_home_when_it_is_imported_then_all_of_it_is_in_a_report_that_only_the_owner_reads(
    home: Home, swarm: DesplegaSwarm
) -> None:
    done = home.take_desplega(swarm.path)
    assert done.report is not None
    assert done.report.stat().st_mode & 0o777 == 0o600
    kept = json.loads(done.report.read_text())["kept"]
    by_id = {one["sourceId"]: one for one in kept}
    assert by_id["w-1"]["content"]["name"] == "release"
    assert by_id[id_of(7)]["reason"] == f"it waits for task {id_of(6)}, which is failed"
    assert by_id[id_of(8)]["reason"] == f"it waits for tasks that could not be imported: {id_of(7)}"
    assert done.counted == {"tasks completed": 1, "tasks failed": 1}
    assert "session_logs: 1 rows are not imported" in done.notes


def test_given_an_import_when_it_is_done_again_then_nothing_changes_and_it_says_so(
    home: Home, swarm: DesplegaSwarm
) -> None:
    first = home.take_desplega(swarm.path)
    head = home.head()
    again = home.take_desplega(swarm.path)
    assert again.is_unchanged
    assert again.unchanged == {
        "agents": 2,
        "projects": 1,
        "tasks": 4,
        "schedules": 1,
        "config": 0,
        "swarms": 0,
        "messages": 0,
    }
    assert again.report == first.report
    assert home.head() == head


def test_given_more_in_the_source_when_it_is_imported_again_then_only_that_is_added(
    home: Home, swarm: DesplegaSwarm
) -> None:
    home.take_desplega(swarm.path)
    swarm.task(id_of(9), "And one more", dependsOn=[id_of(3)])
    assert home.take_desplega(swarm.path).new == {
        "agents": 0,
        "projects": 0,
        "tasks": 1,
        "schedules": 0,
        "config": 0,
        "swarms": 0,
        "messages": 0,
    }
    assert home.tasks()["And one more"].state.status is TaskStatus.BLOCKED


def test_given_a_dry_run_when_it_is_done_then_it_tells_the_same_and_makes_nothing(
    home: Home, swarm: DesplegaSwarm
) -> None:
    told = home.take_desplega(swarm.path, dry_run=True)
    assert not home.folder.exists()
    done = home.take_desplega(swarm.path)
    assert (told.new, told.kept) == (done.new, done.kept)
    head = home.head()
    assert home.take_desplega(swarm.path, dry_run=True).is_unchanged
    assert home.head() == head


def test_given_a_source_when_it_is_imported_then_not_a_byte_of_it_changes(home: Home, swarm: DesplegaSwarm) -> None:
    before = {path.name: path.read_bytes() for path in swarm.path.parent.iterdir()}
    home.take_desplega(swarm.path)
    assert {path.name: path.read_bytes() for path in swarm.path.parent.iterdir()} == before


def test_given_a_killed_servers_source_when_it_is_imported_then_what_is_in_its_log_counts(
    home: Home, swarm: DesplegaSwarm, tmp_path: Path
) -> None:
    connection = sqlite3.connect(swarm.path)
    connection.execute("INSERT INTO agent_tasks (id, task, status) VALUES (?, 'In the log', 'unassigned')", (id_of(9),))
    connection.commit()
    copy = tmp_path / "copy.sqlite"
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{swarm.path}{suffix}", f"{copy}{suffix}")
    connection.close()
    home.take_desplega(copy)
    assert "In the log" in home.tasks()


def test_given_a_refusal_in_the_middle_when_it_is_written_then_nothing_is(
    home: Home, swarm: DesplegaSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_conflict(foreign: Foreign, queries: Queries, *, now: int, caps: RootCaps) -> Plan:
        plan = planned(foreign, queries, now=now, caps=caps)
        other = ProjectRecord(id=id_of(99), name="shop", repo_url="https://elsewhere.example/shop")
        plan.operations.append(CreateProject(project=other, actor="operator"))
        return plan

    monkeypatch.setattr(carrying_out, "planned", with_a_conflict)
    with pytest.raises(AlreadyExists):
        home.take_desplega(swarm.path)
    assert home.head()[0] == 0
    assert home.read(lambda queries: queries.agents()) == []
    assert not list((home.folder / "imports").iterdir())


def test_given_a_server_that_runs_when_it_is_imported_then_it_is_refused(home: Home, swarm: DesplegaSwarm) -> None:
    home.folder.mkdir()
    with locked(home.address.path, purpose="a server"), pytest.raises(StoreLockedError):
        home.take_desplega(swarm.path)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": ""}, "task is missing"),
        ({"tags": '["a", 1]'}, "tags is no list of texts"),
        ({"priority": "high"}, "priority is no number"),
        ({"status": "dreaming"}, "status is none that is known"),
        ({"status": "pending", "agentId": "nobody"}, "agentId names an agent that is not there"),
        ({"dependsOn": [id_of(77)]}, f"dependsOn names a task that is not there: {id_of(77)}"),
        ({"text": "x" * 1_000_001}, "its text has more than 1,000,000 bytes"),
    ],
)
def test_given_a_row_that_cannot_be_read_when_it_is_imported_then_the_others_are_and_it_is_reported(
    home: Home, swarm: DesplegaSwarm, row: dict[str, object], reason: str
) -> None:
    swarm.task(id_of(50), **{"text": "Odd", **row})  # type: ignore[arg-type]
    done = home.take_desplega(swarm.path)
    assert done.new["tasks"] == 4
    assert [one.reason for one in done.problems if one.source_id == id_of(50)] == [reason]


def test_given_tasks_that_wait_for_each_other_when_they_are_imported_then_both_are_reported(
    home: Home, swarm: DesplegaSwarm
) -> None:
    swarm.task(id_of(51), "One", dependsOn=[id_of(52)])
    swarm.task(id_of(52), "Two", dependsOn=[id_of(51)])
    done = home.take_desplega(swarm.path)
    assert done.new["tasks"] == 4
    assert {one.source_id for one in done.problems} >= {id_of(51), id_of(52)}


def test_given_a_repository_with_a_password_when_it_is_imported_then_it_is_refused_without_the_password(
    home: Home, swarm: DesplegaSwarm
) -> None:
    swarm.add("swarm_repos", id="r-2", url="https://me:hunter2@git.example/x.git", name="x")
    done = home.take_desplega(swarm.path)
    assert done.new["projects"] == 1
    assert done.report is not None
    assert "hunter2" not in done.report.read_text() + str(done.as_json())


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_given_encrypted_entries_when_the_key_is_right_then_they_open(swarm: DesplegaSwarm) -> None:
    swarm.entry("GITHUB_TOKEN", "ghp_value", sealed_with=KEY)
    swarm.entry("PLAIN_TOKEN", "plain", isSecret=1)
    swarm.entry("MODE", "fast", scope="agent", scopeId=CODER)
    entries = {entry.key: entry for entry in understood(read_tables(swarm.path), KEY).entries}
    assert (entries["GITHUB_TOKEN"].value, entries["GITHUB_TOKEN"].is_secret) == ("ghp_value", True)
    assert (entries["PLAIN_TOKEN"].was_plain, entries["MODE"].was_plain) == (True, False)
    assert (entries["MODE"].scope, entries["MODE"].scope_id) == ("agent", CODER)
    assert "ghp_value" not in repr(entries)


@pytest.mark.parametrize("key", [None, bytes(32)], ids=["none", "wrong"])
def test_given_no_key_or_a_wrong_one_when_there_are_secrets_then_nothing_is_written(
    home: Home, swarm: DesplegaSwarm, key: bytes | None
) -> None:
    swarm.entry("GITHUB_TOKEN", "ghp_value", sealed_with=KEY)
    with pytest.raises(WrongKey):
        home.take_desplega(swarm.path, key)
    assert not home.folder.exists()


def test_given_a_secret_that_was_changed_when_the_others_open_then_it_alone_is_reported(
    home: Home, swarm: DesplegaSwarm
) -> None:
    swarm.entry("GOOD", "value", sealed_with=KEY)
    swarm.add(
        "swarm_config", id="bad", scope="global", key="BAD", value=sealed("x", bytes(32)), encrypted=1, isSecret=1
    )
    foreign = understood(read_tables(swarm.path), KEY)
    assert [entry.key for entry in foreign.entries] == ["GOOD"]
    assert [one.reason for one in foreign.kept if one.source_id == "bad"] == [
        "value does not open with this key: it was changed, or another key encrypted it"
    ]


# --- sources that are none --------------------------------------------------------------------------------------------


def test_given_something_else_than_their_database_when_it_is_imported_then_it_is_refused(
    home: Home, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("no database" * 100)
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE agents (id TEXT)")
    other.close()
    for name, words in (("absent", "is not a file"), ("text", "cannot be read"), ("other.sqlite", "it lacks")):
        with pytest.raises(UnreadableSource, match=words):
            home.take_desplega(tmp_path / name)


def test_given_a_damaged_database_when_it_is_imported_then_it_is_refused(home: Home, swarm: DesplegaSwarm) -> None:
    content = bytearray(swarm.path.read_bytes())
    content[8_192:12_288] = b"\xff" * 4_096
    swarm.path.write_bytes(content)
    with pytest.raises(UnreadableSource):
        home.take_desplega(swarm.path)


def test_given_a_large_swarm_when_it_is_imported_then_all_of_it_is_one_transaction(
    home: Home, swarm: DesplegaSwarm
) -> None:
    connection = sqlite3.connect(swarm.path)
    ids = [f"bbbbbbbb-0000-4000-8000-{number:012d}" for number in range(3_000)]
    waits = [[] if number % 50 == 0 else [ids[number - 1]] for number in range(3_000)]
    rows = [(task_id, f"Task {task_id}", json.dumps(upstreams)) for task_id, upstreams in zip(ids, waits, strict=True)]
    connection.executemany("INSERT INTO agent_tasks (id, task, status, dependsOn) VALUES (?, ?, 'unassigned', ?)", rows)
    connection.commit()
    connection.close()
    assert home.take_desplega(swarm.path).new["tasks"] == 3_004
    assert len(home.tasks()) == 3_004
    assert home.head()[0] == 2 + 1 + 1 + 3_004  # agents, a project, a schedule, tasks


def test_given_any_refusal_then_it_is_one_of_ours() -> None:
    assert issubclass(UnreadableSource, SwarmError) and issubclass(WrongKey, SwarmError)


def test_given_their_schedules_when_they_are_imported_then_those_of_tasks_are_started_by_the_clock_here(
    home: Home, swarm: DesplegaSwarm
) -> None:
    add = partial(swarm.add, "scheduled_tasks")
    add(id="s-2", name="Every hour!", intervalMs=3_600_000, taskTemplate="Look", targetAgentId=CODER, enabled=0)
    add(id="s-3", name="once", runAt="2100-01-01T00:00:00.000Z", taskTemplate="Party", tags='["fun"]', priority=90)
    add(id="s-4", name="over", runAt="2020-01-01T00:00:00.000Z", taskTemplate="Gone")
    add(id="s-5", name="odd", cronExpression="every day", taskTemplate="Odd")
    add(id="s-6", name="release", cronExpression="@daily", taskTemplate="", targetType="workflow")
    add(id="s-7", name="nightly", cronExpression="@daily", taskTemplate="Again")
    done = home.take_desplega(swarm.path)
    assert done.new["schedules"] == 3
    reasons = {one.source_id: one.reason for one in done.kept}
    assert reasons["s-4"] == "its time is over"
    assert "5" in reasons["s-5"]
    assert reasons["s-6"] == "there is nothing like it here"
    assert "another schedule" in reasons["s-7"]
    kept = home.read(lambda queries: queries.scan(SCHEDULES, limit=9))
    assert {one.name: (one.when.words, one.status.value) for one in kept} == {
        "nightly": ("0 3 * * * (UTC)", "active"),
        "Every-hour": ("every 1 h", "paused"),
        "once": ("once, at 2100-01-01T00:00:00.000Z", "active"),
    }
    by_name = {one.name: one for one in kept}
    work = home.read(lambda queries: queries.record(SCHEDULE_WORK, by_name["Every-hour"].id))
    assert work is not None
    assert work.starts["task"] == {
        "prompt": "Look",
        "priority": 50,
        "agentId": CODER,
        "requires": {"capabilities": ["harness.devin"]},
    }
    firing = home.read(firing_of(by_name["Every-hour"], Rules()))
    assert firing.problem is None
    again = home.take_desplega(swarm.path)
    assert (again.new["schedules"], again.unchanged["schedules"], again.is_unchanged) == (0, 3, True)
