"""Which harnesses there are. A fixed table: a name from a task never becomes an import or a command.

A further one is a package beside the others, its lines here, its name in `services.harnesses` (the server knows nothing
else of it), and a page. What doctor, the demo and the capabilities of workers say of it follows from here.
"""

from collections.abc import Callable, Mapping
from functools import partial

from agent_swarm.domain.errors import UnknownReference
from agent_swarm.harness.acp import AcpHarness
from agent_swarm.harness.acp.agents import COPILOT, GEMINI, OPENCODE
from agent_swarm.harness.base import Harness
from agent_swarm.harness.claude import ClaudeHarness
from agent_swarm.harness.claude.host import CLI as CLAUDE
from agent_swarm.harness.codex import CodexHarness
from agent_swarm.harness.codex.host import CLI as CODEX
from agent_swarm.harness.kept.program import AgentCli
from agent_swarm.harness.noop import NoopHarness
from agent_swarm.harness.pi import PiHarness
from agent_swarm.harness.pi.host import CLI as PI
from agent_swarm.harness.script import ScriptHarness
from agent_swarm.harness.shell import ShellHarness

_HARNESSES: Mapping[str, Callable[[], Harness]] = {
    "claude": ClaudeHarness,
    "codex": CodexHarness,
    "copilot": partial(AcpHarness, COPILOT),
    "gemini": partial(AcpHarness, GEMINI),
    "noop": NoopHarness,
    "opencode": partial(AcpHarness, OPENCODE),
    "pi": PiHarness,
    "script": ScriptHarness,
    "shell": ShellHarness,
}

# The agent CLIs among them: what `doctor` looks for, and who may write in the demo.
AGENT_CLIS: Mapping[str, AgentCli] = {
    "claude": CLAUDE,
    "codex": CODEX,
    "copilot": COPILOT.cli,
    "gemini": GEMINI.cli,
    "opencode": OPENCODE.cli,
    "pi": PI,
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
