"""Runs git: never asks anybody, never runs the project's hooks, always ends, and says why where it fails.

The user's own git configuration is read, because it holds the way to their servers (credential helpers, proxies, SSH
commands, LFS filters); nothing here writes it. What in it would change what our commands mean is overridden.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from agent_swarm.worker.workspace.errors import GitFailed, GitMissing, GitTimedOut, WorkspaceError
from agent_swarm.worker.workspace.failures import classify, gist
from agent_swarm.worker.workspace.urls import redact

MINIMUM_VERSION = (2, 29)  # negative refspecs and `fetch --no-write-fetch-head`
_STDERR_TAIL = 8192  # characters of git's words kept in an error
_TERMINATION_GRACE = 2.0  # seconds git gets to remove its lock files
_PASSED_ON = frozenset((
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "KRB5CCNAME",
    "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "GIT_SSL_CAINFO", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_EXEC_PATH",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
))  # fmt: skip
_OURS = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",  # set and empty: no graphical prompt either, whatever core.askPass says
    "SSH_ASKPASS_REQUIRE": "never",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",  # `ext::` would run a command
    "GIT_NO_REPLACE_OBJECTS": "1",  # an agent's refs/replace must not change what we see
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_MERGE_AUTOEDIT": "no",
    "GIT_EDITOR": "false",
}
_OPTIONS = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.splitIndex", "false"),
    ("core.safecrlf", "false"),  # would refuse files over their line ends
    ("i18n.commitEncoding", "UTF-8"),
    ("core.quotePath", "false"),
    ("commit.gpgSign", "false"),  # would wait for a passphrase
    ("gc.auto", "0"),  # `Mirrors.maintain` packs when there is time
    ("maintenance.auto", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.unpackLimit", "1"),  # packs appear whole; loose objects of a killed fetch would be there in part
    ("push.recurseSubmodules", "no"),
    ("push.followTags", "false"),
    ("push.gpgSign", "false"),
)
# A result is on disk before its worktree goes (measured: some 20 ms a snapshot).
_DURABLE = (("core.fsync", "committed,loose-object,reference"), ("core.fsyncMethod", "batch"))
_PASSING = (("core.fsync", "none"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitTimeouts:
    """How long one command may take."""

    local: timedelta = timedelta(minutes=10)
    network: timedelta = timedelta(minutes=30)
    best_effort: timedelta = timedelta(seconds=60)  # a push that may fail, while a shutdown waits for it


@dataclass(frozen=True, slots=True)
class GitOutput:
    """What a command wrote."""

    exit_code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 survive a round trip."""
        return os.fsdecode(self.stdout).strip()

    @property
    def fields(self) -> list[str]:
        """Standard output split at NULs (`-z`)."""
        return [os.fsdecode(part) for part in self.stdout.split(b"\0") if part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """A git to run commands with.

    `environ` is the worker's environment; only what git needs of it is passed on. `keep_open` are descriptors that
    every command inherits: a lock on them is held until the last command has ended, even where the worker itself was
    killed. Without `is_durable` nothing waits for the disk: for what is thrown away again.
    """

    environ: Mapping[str, str] = field(repr=False)
    timeouts: GitTimeouts = GitTimeouts()
    keep_open: tuple[int, ...] = ()
    is_durable: bool = True

    @property
    def passing(self) -> "Git":
        """The same git, for what is thrown away again."""
        return replace(self, is_durable=False)

    def holding(self, descriptor: int) -> "Git":
        """The same git, whose commands also inherit `descriptor`."""
        return replace(self, keep_open=(*self.keep_open, descriptor))

    async def version(self) -> tuple[int, ...]:
        """Git's version; raises GitMissing where there is none or it is too old."""
        said = (await self.run("version", cwd=Path("/"))).text
        match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
        found = tuple(int(part) for part in match.groups() if part) if match else ()
        if found[:2] < MINIMUM_VERSION:
            raise GitMissing(f"git is too old: found {said!r}, need 2.29 or newer", hint=_INSTALL)
        return found

    async def run(
        self,
        *args: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        accept: Collection[int] = (0,),
        limit: timedelta | None = None,
        secrets: Sequence[str] = (),
    ) -> GitOutput:
        """Run `git *args`; raises GitFailed (a subclass that says why) where the exit code is not in `accept`."""
        command = redact(_name_of(args), secrets)
        limit = limit or self.timeouts.local
        process = await self._start(args, cwd, env or {})
        try:
            async with asyncio.timeout(limit.total_seconds()):
                stdout, raw = await process.communicate(stdin)
        except TimeoutError:
            await _end(process)
            said = f"it took longer than {limit.total_seconds():g} s"
            raise GitTimedOut(command, said=said, stderr="", exit_code=None) from None
        except BaseException:
            await asyncio.shield(_end(process))  # cancelled: nothing of ours goes on running
            raise
        stderr = redact(raw.decode(errors="replace"), secrets)[-_STDERR_TAIL:].strip()
        code = process.returncode if process.returncode is not None else -1
        if code not in accept:
            report = redact(stdout.decode(errors="replace"), secrets) if "push" in args else ""
            raise classify(stderr, report)(command, said=gist(stderr, report), stderr=stderr, exit_code=code)
        return GitOutput(code, stdout, stderr)

    async def _start(self, args: Sequence[str], cwd: Path, env: Mapping[str, str]) -> asyncio.subprocess.Process:
        starting = asyncio.ensure_future(self._spawn(args, cwd, env))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # Cancelled half-way, asyncio would kill the command alone and then wait for the pipes its children hold.
            with contextlib.suppress(WorkspaceError):
                await _end(await starting)
            raise

    async def _spawn(self, args: Sequence[str], cwd: Path, env: Mapping[str, str]) -> asyncio.subprocess.Process:
        inherited = {name: value for name, value in self.environ.items() if name in _PASSED_ON}
        settings = (*_OPTIONS, *(_DURABLE if self.is_durable else _PASSING))
        options = [part for name, value in settings for part in ("-c", f"{name}={value}")]
        try:
            return await asyncio.create_subprocess_exec(
                "git",
                *options,
                *args,
                cwd=cwd,
                env={**inherited, **_OURS, **env},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=self.keep_open,
                start_new_session=True,  # no terminal for ssh to ask on, and one group to end
            )
        except FileNotFoundError as exc:
            raise _not_found(args, cwd) from exc


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM first, so that git removes its lock files, then SIGKILL, to the command and what it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TERMINATION_GRACE):
                await process.communicate()  # drains the pipes as well: a full one would keep the process waiting
                return


def _not_found(args: Sequence[str], cwd: Path) -> GitFailed | GitMissing:
    if not cwd.is_dir():
        return GitFailed(_name_of(args), said=f"there is no directory {cwd}", stderr="", exit_code=None)
    return GitMissing("git was not found on the PATH of the worker", hint=_INSTALL)


def _name_of(args: Sequence[str]) -> str:
    """The subcommand and its first plain argument: enough to know what was done."""
    rest = iter(args)
    for arg in rest:
        if arg == "-c":
            next(rest, None)
        elif not arg.startswith("-"):
            first = next((other for other in rest if not other.startswith("-")), "")
            return f"{arg} {first}".strip()
    return " ".join(args)


_INSTALL = "install git 2.29 or newer on the worker's host, for example: apt-get install git"
