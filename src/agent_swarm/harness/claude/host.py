"""What a host has of Claude Code: for people who want to know why an agent does not start, before it is asked to."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "claude"
HOW_TO_INSTALL = "npm install -g @anthropic-ai/claude-code"
OLDEST = (2, 1, 0)  # older ones were never seen
_CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
_CLOUDS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
_VERSION_SECONDS = 60  # a program of 250 MB that was never read before


@dataclass(frozen=True, slots=True)
class Found:
    """`credentials` names where they are, never what they are; empty where an agent would have none."""

    program: str
    version: str
    credentials: str
    has_own_login: bool  # of the person; agents do not get it

    @property
    def is_usable(self) -> bool:
        """An agent could run, as far as can be told without asking the model."""
        return bool(self.version and self.credentials)

    @property
    def is_old(self) -> bool:
        """Older than any version this was tried with."""
        numbers = tuple(int(number) for number in re.findall(r"\d+", self.version)[:3])
        return numbers < OLDEST


def find_program() -> str | None:
    """The CLI on the PATH."""
    return shutil.which(PROGRAM)


def find(environ: Mapping[str, str]) -> Found | None:
    """The CLI of this host with its version and credentials; None where it is not installed."""
    program = find_program()
    if program is None:
        return None
    return Found(program, _version(program), _credentials(environ), _own_login(environ).is_file())


def _version(program: str) -> str:
    """What it says of itself; empty where it cannot be run."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.split(maxsplit=1)[0] if said.strip() else ""


def _credentials(environ: Mapping[str, str]) -> str:
    return next((name for name in (*_CREDENTIALS, *_CLOUDS) if environ.get(name, "").strip()), "")


def _own_login(environ: Mapping[str, str]) -> Path:
    home = environ.get("CLAUDE_CONFIG_DIR", "").strip() or "~/.claude"
    return Path(home).expanduser() / ".credentials.json"
