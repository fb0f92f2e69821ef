"""What a host has of an agent CLI: for people who want to know why an agent does not start, before it is asked to."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_VERSION_SECONDS = 60  # a program of 250 MB that was never read before
_NUMBERS = re.compile(r"\d+(?:\.\d+)+\S*")


@dataclass(frozen=True, slots=True)
class Found:
    """`credentials` names where they are, never what they are; empty where an agent would have none."""

    program: str
    version: str
    credentials: str
    has_own_login: bool  # of the person; agents do not get it
    oldest: tuple[int, ...]  # the oldest version that was ever tried

    @property
    def is_usable(self) -> bool:
        """An agent could run, as far as can be told without asking the model."""
        return bool(self.version and self.credentials)

    @property
    def is_old(self) -> bool:
        """Older than any version this was tried with."""
        numbers = tuple(int(number) for number in re.findall(r"\d+", self.version)[:3])
        return numbers < self.oldest


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCli:
    """An agent CLI as people know it. `how_to_log_in` says how its agents get credentials."""

    title: str
    program: str
    how_to_install: str
    how_to_log_in: str
    oldest: tuple[int, ...]  # older ones were never seen
    credentials: tuple[str, ...]  # the variables of which one is enough
    own_login: Callable[[Mapping[str, str]], Path]  # the file of the person's own login

    def path(self) -> str | None:
        """The program on the PATH."""
        return shutil.which(self.program)

    def missing(self) -> str:
        """What to say where it is not installed."""
        return f"{self.title} is not installed: {self.how_to_install}"

    def broken(self, program: str) -> str:
        """What to say where it is installed and does not run."""
        return f"{self.title} is installed and {program} cannot be run: {self.how_to_install} installs it anew"

    def find(self, environ: Mapping[str, str]) -> Found | None:
        """The CLI of this host with its version and credentials; None where it is not installed."""
        program = self.path()
        if program is None:
            return None
        credentials = next((name for name in self.credentials if environ.get(name, "").strip()), "")
        return Found(
            program, version_of(*command_of(program)), credentials, self.own_login(environ).is_file(), self.oldest
        )


def installation(program: str) -> tuple[Path, ...]:
    """The folders of a program: where it is called, and, behind its links, the package with what it brings along."""
    found = Path(program)
    real = found.resolve()
    package = next((folder for folder in real.parents if (folder / "package.json").is_file()), real.parent)
    scope = package.parent if package.parent.name.startswith("@") else package  # the native program lies beside it
    return tuple(dict.fromkeys((found.parent, scope)))


def with_libraries(program: str) -> tuple[Path, ...]:
    """The folders of a program of Node, of the packages that it uses, and of the Node that runs it."""
    real = Path(program).resolve()
    libraries = tuple(folder for folder in real.parents if folder.name == "node_modules")[-1:]
    command = command_of(program)
    node = installation(command[0]) if len(command) > 1 else ()
    return tuple(dict.fromkeys((*installation(program), *libraries, *node)))


def command_of(program: str) -> tuple[str, ...]:
    """How a program of Node is called: by the Node that lies beside it, else by the one that it finds itself.

    npm puts `node` there where it was installed as a package, because the host's is too old or there is none.
    """
    node = Path(program).with_name("node")
    return (str(node), program) if node.is_file() and _is_script(Path(program)) else (program,)


def _is_script(program: Path) -> bool:
    try:
        with program.open("rb") as file:
            return b"node" in file.readline(80) if file.read(2) == b"#!" else False
    except OSError:
        return False


@cache
def runs(command: tuple[str, ...]) -> bool:
    """Whether it can be run at all. Asked once: a worker asks at its start, and before each run."""
    return bool(version_of(*command))


def version_of(*command: str) -> str:
    """What a program says of itself; empty where it cannot be run. What it leaves behind, goes with its temp folder."""
    with tempfile.TemporaryDirectory(prefix="agent-swarm-", ignore_cleanup_errors=True) as folder:
        environment = {**os.environ, "TMPDIR": folder, "COPILOT_AUTO_UPDATE": "false"}  # as its agents are started
        try:
            said = subprocess.run(
                [*command, "--version"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=_VERSION_SECONDS,
                check=True,
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return ""
    found = _NUMBERS.search(said)
    return found[0] if found else ""
