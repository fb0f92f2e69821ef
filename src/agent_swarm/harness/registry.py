"""Which harnesses there are. A fixed table: a name from a task never becomes an import or a command."""

from collections.abc import Callable, Mapping

from agent_swarm.domain.errors import UnknownReference
from agent_swarm.harness.base import Harness
from agent_swarm.harness.claude import ClaudeHarness
from agent_swarm.harness.noop import NoopHarness
from agent_swarm.harness.script import ScriptHarness
from agent_swarm.harness.shell import ShellHarness

_HARNESSES: Mapping[str, Callable[[], Harness]] = {
    "claude": ClaudeHarness,
    "noop": NoopHarness,
    "script": ScriptHarness,
    "shell": ShellHarness,
}


def known_names() -> tuple[str, ...]:
    """Every harness this version has, in order of name."""
    return tuple(sorted(_HARNESSES))


def get(name: str) -> Harness:
    """The harness of this name. Raises UnknownReference, which lists the names there are."""
    make = _HARNESSES.get(name)
    if make is None:
        names = ", ".join(known_names())
        raise UnknownReference(
            f"there is no harness {name!r}; expected one of: {names}",
            hint="set the task's harness to one of these",
            details={"harness": name, "known": list(known_names())},
        )
    return make()


def available() -> tuple[str, ...]:
    """The names of those that can run on this host; `get(name).available()` says what another one lacks."""
    return tuple(name for name in known_names() if get(name).available() is None)
