"""Encrypted variables: what is stored, where their key is, and what is said when it is not there."""

import sqlite3
import sys
import types
from pathlib import Path

import pytest

from agent_swarm.domain.errors import EncryptionKeyMissing, InvalidInput, SecretUnreadable
from agent_swarm.vault.keys import new_key
from agent_swarm.vm.errors import EngineMissing, UnknownVariable, UnknownVm, VmError
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.names import project_ref
from agent_swarm.vm.registry import VmRow
from agent_swarm.vm.variables.variables import list_variables, remove_variable, set_variable, variables_of


class Ring(types.ModuleType):
    """The library `keyring` as far as it is used, in memory."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}
        self.error: Exception | None = None
        self.forgets = False

    def get_password(self, service: str, account: str) -> str | None:
        if self.error:
            raise self.error
        return self.kept.get((service, account))

    def set_password(self, service: str, account: str, password: str) -> None:
        if self.error:
            raise self.error
        if not self.forgets:
            self.kept[service, account] = password


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    ring = Ring()
    monkeypatch.setitem(sys.modules, "keyring", ring)
    return ring


@pytest.fixture
def without_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)


@pytest.fixture
def host(tmp_path: Path) -> VmHost:
    def none() -> None:
        raise AssertionError("no VM has to run")

    host = VmHost(Layout(tmp_path / "home"), none)  # type: ignore[arg-type]
    with host.registry() as registry:
        for name in ("shop", "mail"):
            ref = project_ref(name)
            registry.add(VmRow(ref=ref, project=name, provider="kvm", origin="", status="stopped", created_at=""))
    return host


def stored(host: VmHost) -> list[tuple[str, str, str]]:
    with sqlite3.connect(host.layout.registry) as connection:
        return connection.execute("SELECT name, scope, value FROM env_var ORDER BY name, scope").fetchall()


def test_given_global_and_project_values_when_resolved_then_the_projects_own_go_first(host: VmHost, ring: Ring) -> None:
    set_variable(host, "TOKEN", "global-token")
    set_variable(host, "TOKEN", "shop-token", project="Shop")
    set_variable(host, "DEBUG", "a 'b' \"c\"\nd\u00e9")
    assert variables_of(host, "shop") == {"TOKEN": "shop-token", "DEBUG": "a 'b' \"c\"\nd\u00e9"}
    assert variables_of(host, "mail")["TOKEN"] == "global-token"
    assert [(row.name, row.scope) for row in list_variables(host)] == [("DEBUG", ""), ("TOKEN", "")]
    assert [(row.name, row.scope) for row in list_variables(host, project="shop")] == [("DEBUG", ""), ("TOKEN", "shop")]
    remove_variable(host, "TOKEN", project="shop")
    assert variables_of(host, "shop")["TOKEN"] == "global-token"
    with pytest.raises(UnknownVariable, match="no variable 'TOKEN' is set for project 'shop'"):
        remove_variable(host, "TOKEN", project="shop")
    with pytest.raises(UnknownVm):
        set_variable(host, "TOKEN", "x", project="nobody")


def test_given_values_when_the_folder_is_read_then_none_of_them_is_in_it(host: VmHost, ring: Ring) -> None:
    found = set_variable(host, "TOKEN", "very-secret-value")
    assert (found.is_new, found.place) == (True, "the keyring")
    assert not set_variable(host, "OTHER", "very-secret-value").is_new
    everything = b"".join(path.read_bytes() for path in host.layout.root.rglob("*") if path.is_file())
    assert b"very-secret-value" not in everything
    assert next(iter(ring.kept.values())).encode() not in everything
    assert host.layout.registry.stat().st_mode & 0o777 == 0o600
    assert len({value for _, _, value in stored(host)}) == 2


def test_given_no_keyring_when_a_variable_is_set_then_the_key_is_in_a_private_file_and_it_is_said(
    host: VmHost, without_keyring: None
) -> None:
    found = set_variable(host, "TOKEN", "value")
    path = host.layout.root / "env.key"
    assert (found.is_new, found.place) == (True, str(path))
    assert "the library keyring is not installed" in found.why_there
    assert path.stat().st_mode & 0o777 == 0o600
    assert variables_of(host, "shop") == {"TOKEN": "value"}
    path.chmod(0o644)
    with pytest.raises(EncryptionKeyMissing, match=r"is open to others \(mode 0644\)"):
        variables_of(host, "shop")


@pytest.mark.parametrize("trouble", ["forgets", "raises"])
def test_given_a_keyring_that_keeps_nothing_when_a_variable_is_set_then_the_file_does(
    host: VmHost, ring: Ring, trouble: str
) -> None:
    ring.forgets = trouble == "forgets"
    ring.error = RuntimeError("locked") if trouble == "raises" else None
    found = set_variable(host, "TOKEN", "value")
    assert found.place.endswith("env.key")
    assert "keyring" in found.why_there
    assert variables_of(host, "shop") == {"TOKEN": "value"}


def test_given_a_keyring_that_comes_later_then_the_key_in_the_file_goes_on_serving(
    host: VmHost, ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "keyring", None)
        set_variable(host, "ONE", "1")
    assert not set_variable(host, "TWO", "2").is_new
    assert ring.kept == {}
    ring.set_password("agent-swarm", "master-key", new_key().text)  # of somebody else's doing
    assert set_variable(host, "TWO", "2").place.endswith("env.key")
    assert variables_of(host, "shop") == {"ONE": "1", "TWO": "2"}


def test_given_a_lost_key_when_values_are_wanted_or_set_then_it_is_said_and_no_second_key_is_made(
    host: VmHost, ring: Ring
) -> None:
    set_variable(host, "TOKEN", "value")
    before = stored(host)
    ring.error = RuntimeError("locked")
    with pytest.raises(EncryptionKeyMissing, match="keyring cannot be used: RuntimeError") as refused:
        variables_of(host, "shop")
    assert "agent-swarm env rm" in refused.value.hint
    with pytest.raises(EncryptionKeyMissing):
        set_variable(host, "OTHER", "value")
    assert stored(host) == before
    assert not (host.layout.root / "env.key").exists()
    ring.error, ring.kept = None, {}
    with pytest.raises(EncryptionKeyMissing, match="the keyring has none"):
        variables_of(host, "shop")
    remove_variable(host, "TOKEN")
    assert set_variable(host, "TOKEN", "anew").is_new


@pytest.mark.parametrize("change", ["moved", "cut", "foreign"])
def test_given_a_value_that_was_changed_or_moved_when_it_is_opened_then_it_is_refused_by_name(
    host: VmHost, ring: Ring, change: str
) -> None:
    set_variable(host, "TOKEN", "value")
    set_variable(host, "OTHER", "other")
    statement = {
        "moved": "UPDATE env_var SET value = (SELECT value FROM env_var WHERE name = 'OTHER') WHERE name = 'TOKEN'",
        "cut": "UPDATE env_var SET value = substr(value, 1, length(value) - 2) WHERE name = 'TOKEN'",
        "foreign": "UPDATE env_var SET value = 'c29tZXRoaW5nIGVsc2U=' WHERE name = 'TOKEN'",
    }
    with sqlite3.connect(host.layout.registry) as connection:
        connection.execute(statement[change])
    with pytest.raises(SecretUnreadable, match="the variable TOKEN cannot be read") as refused:
        variables_of(host, "shop")
    assert "agent-swarm env rm TOKEN" in refused.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("1X", "a"),
        ("A=B", "a"),
        ("", "a"),
        ("A B", "a"),
        ("X", ""),
        ("X", "a\0b"),
        ("X", "\udcff"),
        ("X", "x" * 131_001),
    ],
)
def test_given_what_no_environment_takes_when_it_is_set_then_it_is_refused(
    host: VmHost, ring: Ring, name: str, value: str
) -> None:
    with pytest.raises(InvalidInput):
        set_variable(host, name, value)
    assert stored(host) == []


def test_given_a_project_that_is_deleted_then_its_variables_go_with_it(host: VmHost, ring: Ring) -> None:
    set_variable(host, "TOKEN", "value", project="shop")
    set_variable(host, "ALL", "value")
    with host.registry() as registry:
        registry.remove(project_ref("shop"))
    assert [(name, scope) for name, scope, _ in stored(host)] == [("ALL", "")]


def test_given_no_place_for_a_key_when_a_variable_is_set_then_nothing_is_stored(
    host: VmHost, without_keyring: None
) -> None:
    (host.layout.root / "env.key").mkdir()
    with pytest.raises(VmError):
        set_variable(host, "TOKEN", "value")
    assert stored(host) == []


def test_given_no_variables_then_nothing_of_keys_is_looked_at(host: VmHost, ring: Ring) -> None:
    ring.error = RuntimeError("locked")
    assert variables_of(host, "shop") == {}


def test_given_no_cryptography_when_a_variable_is_set_then_it_is_said_what_to_install(
    host: VmHost, ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "agent_swarm.vault.sealing", None)
    monkeypatch.delattr("agent_swarm.vault.sealing", raising=False)
    with pytest.raises(EngineMissing, match="cryptography"):
        set_variable(host, "TOKEN", "value")
    assert stored(host) == []
