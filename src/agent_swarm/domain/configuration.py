"""Stored configuration: where an entry counts, which names there may be, and what is done with them."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Protocol, TypeVar

from agent_swarm.domain.errors import InvalidInput

KEY_CHARS = 128
ENTRIES_PER_PLACE = 200
VALUE_BYTES = 64 * 1024
PLACE_BYTES = 128 * 1024  # of all values of one place as they are stored: those of four places travel in one frame

KEY_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.\-]*$"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# What leads to everything else is never stored beside it.
RESERVED = frozenset(
    {
        "API_KEY",
        "AGENT_SWARM_API_KEY",
        "SECRETS_ENCRYPTION_KEY",
        "SECRETS_ENCRYPTION_KEY_FILE",
        "SECRETS_ENCRYPTION_KEY_REF",
        "SECRETS_ENCRYPTION_KEY_PREVIOUS",
        "SECRETS_ENCRYPTION_KEY_PREVIOUS_FILE",
    }
)
_SERVERS_OWN = frozenset({"HOST", "PORT", "DATA_DIR", "CORS_ORIGINS"})
_RUNS_OWN = frozenset({"PATH", "HOME", "TMPDIR", "WORKSPACE"})
_OWN_PREFIXES = ("AGENT_SWARM_", "LD_")  # LD_: what a program loads is for the worker's host to say


class ConfigScope(StrEnum):
    """Where an entry counts; the most specific place wins."""

    GLOBAL = "global"
    SWARM = "swarm"
    PROJECT = "project"
    AGENT = "agent"


class Use(StrEnum):
    """What the program does with an entry."""

    ENVIRONMENT = "environment"  # it is a variable of agents
    SETTING = "setting"  # the server reads it at its start
    NONE = "none"  # it is kept for whoever asks


Place = tuple[ConfigScope, str]  # a scope, and the id of what it is about; empty for the global one


class Placed(Protocol):
    """Something stored under a key at a place."""

    @property
    def scope(self) -> ConfigScope: ...
    @property
    def scope_id(self) -> str: ...
    @property
    def key(self) -> str: ...


P = TypeVar("P", bound=Placed)


def require_storable(scope: ConfigScope, scope_id: str, key: str) -> None:
    """Refuse names that may not be stored, and places that are none.

    Called by every face, by the service and by the store: none of them is the only way in.
    """
    require_key(key)
    if (scope is ConfigScope.GLOBAL) == bool(scope_id):
        problem = "is only for other scopes than global" if scope_id else f"is missing: which {scope} is it?"
        raise InvalidInput(f"scopeId {problem}", details={"field": "scopeId"})


def require_key(key: str) -> None:
    """Refuse what cannot be a name, and in any case of their letters the names that protect what is stored."""
    if key.upper() in RESERVED:
        raise InvalidInput(
            f"{key!r} is reserved and cannot be stored: it protects what is stored here",
            hint="set it in the environment of the server",
            details={"field": "key"},
        )
    if len(key) > KEY_CHARS or not re.fullmatch(KEY_PATTERN.strip("^$"), key):
        raise InvalidInput(
            f"key: expected at most {KEY_CHARS} letters, digits, '_', '.', '-' that begin with a letter or '_'",
            hint="names of variables, such as GITHUB_TOKEN, become variables of agents",
            details={"field": "key"},
        )


def places(*, agent_id: str | None = None, project_id: str | None = None, swarm_id: str | None = None) -> list[Place]:
    """Where to look, the most specific place first."""
    named = ((ConfigScope.AGENT, agent_id), (ConfigScope.PROJECT, project_id), (ConfigScope.SWARM, swarm_id))
    return [*((scope, scope_id) for scope, scope_id in named if scope_id), (ConfigScope.GLOBAL, "")]


def resolved(found: Iterable[Iterable[P]]) -> dict[str, P]:
    """What counts, by key: `found` are the entries of each place, the most specific place first."""
    winners: dict[str, P] = {}
    for entries in found:
        for entry in entries:
            winners.setdefault(entry.key, entry)
    return dict(sorted(winners.items()))


def use_of(entry: Placed, settings: Mapping[str, object]) -> Use:
    """What becomes of an entry; `settings` are the variables of the server that it reads from here."""
    if entry.key in settings:
        return Use.SETTING if entry.scope is ConfigScope.GLOBAL else Use.NONE
    return Use.ENVIRONMENT if reaches_agents(entry.key) else Use.NONE


def reaches_agents(key: str) -> bool:
    """Whether an entry is a variable of agents: its key can name one, and that one is not the program's own."""
    upper = key.upper()
    return (
        _VARIABLE.fullmatch(key) is not None
        and upper not in RESERVED | _SERVERS_OWN | _RUNS_OWN
        and not upper.startswith(_OWN_PREFIXES)
    )
