"""Configuration of another system: stored once, never over what is there, secrets in plain text kept for a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.importing.conftest import Home
from tests.importing.foreign_swarm import CODER, KEY, a_swarm

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.importing.backup import write_backup
from agent_swarm.importing.carrying_out import import_into
from agent_swarm.importing.desplega.database import read_tables
from agent_swarm.importing.desplega.rows import understood
from agent_swarm.importing.foreign import ForeignEntry, our_id
from agent_swarm.importing.report import Outcome
from agent_swarm.store.base import Queries
from agent_swarm.store.families.facts import FACTS, SettleFact
from agent_swarm.store.operations import Operation

pytestmark = pytest.mark.slow  # each makes two databases


@dataclass
class Facts:
    """Configuration in a family of small records that is there: enough to show when what is written."""

    queries: Queries

    def value_of(self, entry: ForeignEntry) -> str | None:
        found = self.queries.record(FACTS, f"{entry.scope}/{entry.scope_id}/{entry.key}")
        return found.value if found else None

    def storing(self, entry: ForeignEntry) -> Operation[Any]:
        if entry.key == "API_KEY":
            raise InvalidInput("'API_KEY' is reserved")
        return SettleFact(name=f"{entry.scope}/{entry.scope_id}/{entry.key}", value=entry.value)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    swarm = a_swarm(tmp_path / "theirs")
    swarm.entry("GITHUB_TOKEN", "ghp_value", sealed_with=KEY)
    swarm.entry("PLAIN_TOKEN", 'pl$in"`', isSecret=1)
    swarm.entry("MODE", "fast", scope="agent", scopeId=CODER)
    swarm.entry("API_KEY", "123123", sealed_with=KEY)
    swarm.entry("GONE", "x", scope="repo", scopeId="nowhere")
    swarm.entry("REF", "ref:env://HOME", sealed_with=KEY)
    return swarm.path


def take(home: Home, source: Path) -> Outcome:
    foreign = understood(read_tables(source), KEY)
    return import_into(home.address, home.folder, foreign, source=source, configuration=Facts)


def reasons(done: Outcome) -> Mapping[str, str]:
    return {one.source_id: one.reason for one in done.problems if one.kind == "config"}


def test_given_entries_when_they_are_imported_then_they_are_stored_and_what_may_not_be_is_reported(
    home: Home, source: Path
) -> None:
    done = take(home, source)
    assert done.new["config"] == 3
    assert reasons(done) == {
        "API_KEY (global)": "'API_KEY' is reserved",
        f"GONE (project {our_id('desplega', 'project', 'nowhere')})": "its project is not here",
        "REF (global)": "its value begins with 'ref:', which here is a reference to a secret kept elsewhere",
    }
    assert home.read(lambda queries: queries.record(FACTS, f"agent/{CODER}/MODE")) is not None
    assert done.report is not None
    assert "123123" not in done.report.read_text()


def test_given_secrets_in_plain_text_when_they_are_imported_then_they_alone_are_in_a_backup_for_the_owner(
    home: Home, source: Path
) -> None:
    done = take(home, source)
    assert done.backup == home.folder / f"agent-swarm-db.sqlite.backup.secrets-{date.today().isoformat()}.env"
    assert done.backup.stat().st_mode & 0o777 == 0o600
    assert done.backup.read_text().splitlines()[1:] == ['PLAIN_TOKEN="pl\\$in\\"\\`"']


def test_given_an_import_when_it_is_done_again_then_nothing_is_stored_or_backed_up_again(
    home: Home, source: Path
) -> None:
    take(home, source)
    again = take(home, source)
    assert (again.new["config"], again.unchanged["config"], again.backup) == (0, 3, None)
    assert again.is_unchanged


def test_given_another_value_here_when_it_is_imported_then_it_stays(home: Home, tmp_path: Path, source: Path) -> None:
    take(home, source)
    other = a_swarm(tmp_path / "other")
    other.entry("PLAIN_TOKEN", "another", isSecret=1)
    done = take(home, other.path)
    assert reasons(done) == {"PLAIN_TOKEN (global)": "it is here already, with another value, which stays"}
    assert "another" not in (done.report or Path()).read_text().replace("with another value", "")


def test_given_no_store_of_configuration_when_it_is_imported_then_every_entry_is_reported(
    home: Home, source: Path
) -> None:
    done = home.take_desplega(source, KEY)
    assert len(reasons(done)) == 6
    assert set(reasons(done).values()) == {"this version stores no configuration; its value is still in the source"}


def test_given_a_backup_of_that_day_when_another_is_made_then_both_are_there(tmp_path: Path) -> None:
    entry = ForeignEntry(scope="agent", scope_id=CODER, key="A", value="x", is_secret=True, was_plain=True)
    first = write_backup(tmp_path / "db", [entry], date(2026, 11, 27))
    second = write_backup(tmp_path / "db", [entry], date(2026, 11, 27))
    assert (first, second) == (
        tmp_path / "db.backup.secrets-2026-11-27.env",
        tmp_path / "db.backup.secrets-2026-11-27-2.env",
    )
    assert f"# agent {CODER}\nA=" in (tmp_path / "db.backup.secrets-2026-11-27.env").read_text()
