"""Sets, lists, removes and resolves variables: a project's own ones go before those that hold everywhere."""

import re
from collections.abc import Sequence
from types import ModuleType
from typing import Final

from agent_swarm.domain.errors import InvalidInput, SecretUnreadable
from agent_swarm.domain.sealed import data_key_of
from agent_swarm.vm.errors import EngineMissing, UnknownVariable
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.names import VmRef, project_ref
from agent_swarm.vm.variables.key import FoundKey, look_up, to_seal_with
from agent_swarm.vm.variables.key_places import FilePlace, KeyPlace, KeyringPlace
from agent_swarm.vm.variables.rows import EVERYWHERE, VariableRow, opened

MOST_BYTES: Final = 131_000  # of one variable, as the kernel of a guest takes it: MAX_ARG_STRLEN
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


def set_variable(host: VmHost, name: str, value: str, *, project: str | None = None) -> FoundKey:
    """Store a variable, encrypted; the key that it is encrypted with, which may be new.

    Raises InvalidInput, UnknownVm, EncryptionKeyMissing; then nothing has changed.
    """
    _check(name, value)
    host.layout.prepare()
    scope = _scope(host, project)
    with opened(host.layout.registry) as rows, rows.changing():
        others = [row for row in rows.listed() if (row.name, row.scope) != (name, scope)]
        found = to_seal_with(_places(host), _keys_of(others))
        rows.put(VariableRow(name=name, scope=scope, sealed=_seal(found, scope, name, value)))
    return found


def list_variables(host: VmHost, *, project: str | None = None) -> list[VariableRow]:
    """The variables that hold everywhere; for a project those that its commands get. No value is opened for it."""
    host.layout.prepare()
    scope = _scope(host, project)
    with opened(host.layout.registry) as rows:
        nearest = {row.name: row for row in rows.listed(EVERYWHERE, scope)}  # a project's come last, and so count
    return list(nearest.values())


def remove_variable(host: VmHost, name: str, *, project: str | None = None) -> None:
    """Take a variable away; raises UnknownVariable."""
    host.layout.prepare()
    scope = _scope(host, project)
    with opened(host.layout.registry) as rows:
        if not rows.remove(name, scope):
            where = f"for project {scope!r}" if scope else "for all projects"
            raise UnknownVariable(f"no variable {name!r} is set {where}", hint="see what is set: agent-swarm env list")


def variables_of(host: VmHost, project: str) -> dict[str, str]:
    """What a command in a VM of that project gets, opened. Raises EncryptionKeyMissing, SecretUnreadable.

    Nothing of keys and ciphers is looked at where no variable is set.
    """
    with opened(host.layout.registry) as rows:
        nearest = {row.name: row for row in rows.listed(EVERYWHERE, project)}
    if not nearest:
        return {}
    lookup = look_up(_places(host))
    return {row.name: _opened(row, lookup.of(_key_of(row))) for row in nearest.values()}


def variables_for(host: VmHost, ref: VmRef) -> dict[str, str]:
    """What a command in that VM gets; raises UnknownVm too."""
    with host.registry() as registry:
        return variables_of(host, registry.get(ref).project)


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:80]!r} cannot be the name of a variable",
            hint="use letters, digits and '_', no digit first, at most 255",
        )
    if not value:
        raise InvalidInput(f"the value of {name} is empty", hint=f"to have it unset: agent-swarm env rm {name}")
    try:
        is_fit = "\0" not in value and len(name) + len(value.encode()) <= MOST_BYTES
    except UnicodeEncodeError:
        is_fit = False
    if not is_fit:
        raise InvalidInput(
            f"the value of {name} cannot be in an environment",
            hint=f"it may be at most {MOST_BYTES} bytes of text without zeros; put more into a file: agent-swarm cp",
        )


def _scope(host: VmHost, project: str | None) -> str:
    if project is None:
        return EVERYWHERE
    with host.registry() as registry:
        return registry.get(project_ref(project)).ref.name


def _places(host: VmHost) -> Sequence[KeyPlace]:
    return (KeyringPlace(), FilePlace(host.layout.root))


def _keys_of(rows: Sequence[VariableRow]) -> list[str]:
    return list(dict.fromkeys(_key_of(row) for row in rows))


def _key_of(row: VariableRow) -> str:
    try:
        return data_key_of(row.sealed)
    except SecretUnreadable as exc:
        raise SecretUnreadable(f"the variable {row.name} cannot be read: {exc.message}", hint=_anew(row)) from exc


def _seal(found: FoundKey, scope: str, name: str, value: str) -> str:
    sealing = _sealing()
    sealer = sealing.Sealer([sealing.DataKey(found.key.id, found.key.wrapping)])
    return str(sealer.seal(_identity(scope, name), value))


def _opened(row: VariableRow, found: FoundKey) -> str:
    sealing = _sealing()
    sealer = sealing.Sealer([sealing.DataKey(found.key.id, found.key.wrapping)])
    try:
        return str(sealer.open(_identity(row.scope, row.name), row.sealed))
    except SecretUnreadable as exc:
        raise SecretUnreadable(f"the variable {row.name} cannot be read: {exc.message}", hint=_anew(row)) from exc


def _identity(scope: str, name: str) -> tuple[str, ...]:
    return ("vm variable", scope, name)


def _anew(row: VariableRow) -> str:
    project = f" --project {row.scope}" if row.scope else ""
    return f"set it anew: agent-swarm env set {row.name}{project} - or: agent-swarm env rm {row.name}{project}"


def _sealing() -> ModuleType:
    try:
        from agent_swarm.vault import sealing
    except ImportError as exc:
        raise EngineMissing(
            "encrypted variables need the library cryptography", hint='run: pip install "agent-swarm[server]"'
        ) from exc
    return sealing
