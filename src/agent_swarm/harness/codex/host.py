"""Codex as people know it, and its native program behind the wrapper that npm installs."""

import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent_swarm.harness.kept.program import AgentCli

_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def _own_login(environ: Mapping[str, str]) -> Path:
    home = environ.get("CODEX_HOME", "").strip() or "~/.codex"
    return Path(home).expanduser() / "auth.json"


CLI = AgentCli(
    title="Codex",
    program="codex",
    how_to_install="npm install -g @openai/codex",
    how_to_log_in="set OPENAI_API_KEY",
    oldest=(0, 171, 0),
    credentials=("CODEX_OAUTH", "CODEX_API_KEY", "OPENAI_API_KEY"),
    own_login=_own_login,
)


def native(program: str) -> Path:
    """The native program that the wrapper starts; what was given, where there is no wrapper.

    The wrapper is a script of Node: it costs a second process, and a sandbox would have to show it a Node.
    """
    found = Path(program)
    return next((one for one in _candidates(found.resolve()) if one.is_file()), found)


def _candidates(wrapper: Path) -> Iterator[Path]:
    """Beside the package, or below it, as npm may put it."""
    package = wrapper.parent.parent
    machine = _MACHINES.get(platform.machine().lower(), "")
    for scope in (package.parent, package / "node_modules" / "@openai"):
        yield from sorted(scope.glob(f"codex-*-{machine}/vendor/*/bin/codex"))
