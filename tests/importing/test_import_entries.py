"""Configuration of another system: stored once, never over what is there, secrets sealed, plain ones kept for a day."""

import asyncio
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from tests.importing.conftest import Home
from tests.importing.foreign_swarm import CODER, KEY, a_swarm

from agent_swarm.domain.errors import EncryptionKeyMissing
from agent_swarm.importing.backup import write_backup
from agent_swarm.importing.carrying_out import import_into
from agent_swarm.importing.configuration import configuration_of
from agent_swarm.importing.desplega.database import read_tables
from agent_swarm.importing.desplega.rows import understood
from agent_swarm.importing.foreign import ForeignEntry, our_id
from agent_swarm.importing.report import Outcome
from agent_swarm.services.secrets.starting import open_vault
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.store.families.configuration import CONFIG, ConfigEntry
from agent_swarm.store.opening import open_store
from agent_swarm.vault.finding import KeySources, find_keys

pytestmark = pytest.mark.slow  # each makes two databases


SETTING = "AGENT_SWARM_NO_AGENT_MINUTES"
SETTINGS = {SETTING: lambda text: "" if text.isdigit() else "expected minutes"}


@pytest.fixture
def vault(home: Home) -> Vault:
    """The vault of a server that was started once."""
    home.folder.mkdir()

    async def opened() -> Vault:
        async with open_store(home.address) as store:
            return (await open_vault(store, find_keys(KeySources(data_dir=home.folder)), is_shared=False))[0]

    return asyncio.run(opened())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    swarm = a_swarm(tmp_path / "theirs")
    swarm.entry("GITHUB_TOKEN", "ghp_value", sealed_with=KEY)
    swarm.entry("PLAIN_TOKEN", 'pl$in"`', isSecret=1)
    swarm.entry("MODE", "fast", scope="agent", scopeId=CODER)
    swarm.entry("API_KEY", "123123", sealed_with=KEY)
    swarm.entry("GONE", "x", scope="repo", scopeId="nowhere")
    swarm.entry("REF", "ref:env://HOME", sealed_with=KEY)
    swarm.entry("OPEN_REF", "ref:env://HOME")
    swarm.entry("LARGE", "x" * 65_537)
    swarm.entry(SETTING, "soon")
    return swarm.path


def take(home: Home, source: Path, vault: Vault, *, dry_run: bool = False) -> Outcome:
    foreign = understood(read_tables(source), KEY)
    configuration = configuration_of(vault, SETTINGS, is_rehearsal=dry_run)
    return import_into(home.address, home.folder, foreign, source=source, dry_run=dry_run, configuration=configuration)


def stored(home: Home) -> dict[str, ConfigEntry]:
    return {entry.key: entry for entry in home.read(lambda queries: queries.scan(CONFIG, limit=500))}


def reasons(done: Outcome) -> Mapping[str, str]:
    return {one.source_id: one.reason for one in done.problems if one.kind == "config"}


def test_given_entries_when_they_are_imported_then_they_are_stored_and_what_may_not_be_is_reported(
    home: Home, source: Path, vault: Vault
) -> None:
    done = take(home, source, vault)
    assert done.new["config"] == 3
    assert reasons(done) == {
        "API_KEY (global)": "'API_KEY' is reserved and cannot be stored: it protects what is stored here",
        f"GONE (project {our_id('desplega', 'project', 'nowhere')})": "its project is not here",
        "REF (global)": "its value begins with 'ref:', which here is a reference to a secret kept elsewhere",
        "OPEN_REF (global)": "its value begins with 'ref:', which here is a reference to a secret kept elsewhere",
        "LARGE (global)": "its value has more than 65,536 bytes",
        f"{SETTING} (global)": "it is a setting of the server here, which cannot have that value",
    }
    found = stored(home)
    assert {key: entry.is_secret for key, entry in found.items()} == {
        "GITHUB_TOKEN": True,
        "PLAIN_TOKEN": True,
        "MODE": False,
    }
    assert (found["MODE"].scope, found["MODE"].scope_id, found["MODE"].text) == ("agent", CODER, "fast")
    assert vault.open(found["GITHUB_TOKEN"].identity, found["GITHUB_TOKEN"].text) == "ghp_value"
    assert vault.open(found["PLAIN_TOKEN"].identity, found["PLAIN_TOKEN"].text) == 'pl$in"`'
    assert done.report is not None
    assert "123123" not in done.report.read_text()


def test_given_secrets_in_plain_text_when_they_are_imported_then_they_alone_are_in_a_backup_for_the_owner(
    home: Home, source: Path, vault: Vault
) -> None:
    done = take(home, source, vault)
    assert done.backup == home.folder / f"agent-swarm-db.sqlite.backup.secrets-{date.today().isoformat()}.env"
    assert done.backup.stat().st_mode & 0o777 == 0o600
    assert done.backup.read_text().splitlines()[1:] == ['PLAIN_TOKEN="pl\\$in\\"\\`"']


def test_given_an_import_when_it_is_done_again_then_nothing_is_stored_or_backed_up_again(
    home: Home, source: Path, vault: Vault
) -> None:
    take(home, source, vault)
    again = take(home, source, vault)
    assert (again.new["config"], again.unchanged["config"], again.backup) == (0, 3, None)
    assert again.is_unchanged


def test_given_another_value_here_when_it_is_imported_then_it_stays(
    home: Home, tmp_path: Path, source: Path, vault: Vault
) -> None:
    take(home, source, vault)
    other = a_swarm(tmp_path / "other")
    other.entry("PLAIN_TOKEN", "another", isSecret=1)
    done = take(home, other.path, vault)
    assert reasons(done) == {"PLAIN_TOKEN (global)": "it is here already, with another value, which stays"}
    assert "another" not in (done.report or Path()).read_text().replace("with another value", "")


def test_given_a_dry_run_when_there_is_no_key_yet_then_it_tells_the_same_and_makes_nothing(
    home: Home, source: Path
) -> None:
    done = take(home, source, Vault(), dry_run=True)
    assert (done.new["config"], len(reasons(done)), done.backup) == (3, 6, None)
    assert not home.folder.exists()


def test_given_a_full_place_when_more_is_imported_then_what_does_not_fit_is_reported_and_the_rest_is_there(
    home: Home, tmp_path: Path, vault: Vault
) -> None:
    other = a_swarm(tmp_path / "other")
    for number in range(202):
        other.entry(f"ENTRY_{number:03}", "x")
    done = take(home, other.path, vault)
    assert (done.new["config"], done.new["tasks"]) == (200, 4)
    assert set(reasons(done).values()) == {"its place is full: at most 200 entries of 131,072 bytes in all"}
    assert len(stored(home)) == 200


def test_given_a_store_without_a_key_when_there_are_secrets_then_nothing_at_all_is_imported(
    home: Home, source: Path
) -> None:
    with pytest.raises(EncryptionKeyMissing):
        take(home, source, Vault())
    assert home.tasks() == {}
    assert list(home.folder.glob("*.env")) == []


def test_given_no_store_of_configuration_when_it_is_imported_then_every_entry_is_reported(
    home: Home, source: Path
) -> None:
    done = home.take_desplega(source, KEY)
    assert len(reasons(done)) == 9
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
