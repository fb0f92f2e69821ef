"""What `doctor` looks at. Each check changes nothing and says what to do about what it finds."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from agent_swarm import config
from agent_swarm.cli.address import KEY_FILE, Server, server_data_dir
from agent_swarm.cli.client import Client
from agent_swarm.cli.extras import how_to_install, missing_modules
from agent_swarm.cli.failures import Unreachable
from agent_swarm.domain.errors import SwarmError

ROOM_BYTES = 2 * 2**30
OLDEST_PYTHON = (3, 11)
OLDEST_GIT = (2, 20)  # worktree commands that workspaces use
OLDEST_SQLITE = (3, 35)  # RETURNING


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `remedy` is empty where all is well."""

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    remedy: str = ""


def all_checks(server: Server) -> list[Check]:
    """Every finding about this machine and the server."""
    from agent_swarm.cli.agent_checks import agent_clis, credentials
    from agent_swarm.cli.sandbox_checks import sandboxes
    from agent_swarm.cli.vm_checks import vms

    here = [
        python(),
        git(),
        sqlite(),
        disk(),
        server_parts(),
        cgroups(),
        *sandboxes(),
        harnesses(),
        *agent_clis(),
        *credentials(),
        *vms(),
    ]
    return [*here, *key_file(), *reachable(server)]


def python() -> Check:
    """The interpreter is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return Check("python", "fail", version, f"install Python {_dotted(OLDEST_PYTHON)} or newer")
    return Check("python", "ok", version)


def git() -> Check:
    """Workspaces of repositories are git worktrees."""
    try:
        said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return Check("git", "fail", "not installed", "install git: tasks of a repository cannot run without it")
    version = _version(said.removeprefix("git version "))
    if version < OLDEST_GIT:
        return Check("git", "fail", said, f"install git {_dotted(OLDEST_GIT)} or newer")
    return Check("git", "ok", said.removeprefix("git version "))


def sqlite() -> Check:
    """The database engine in this Python."""
    if _version(sqlite3.sqlite_version) < OLDEST_SQLITE:
        return Check(
            "sqlite",
            "fail",
            sqlite3.sqlite_version,
            f"use a Python built with SQLite {_dotted(OLDEST_SQLITE)} or newer",
        )
    return Check("sqlite", "ok", sqlite3.sqlite_version)


def disk() -> Check:
    """There is room for workspaces, transcripts and the database."""
    folder = next(path for path in (config.home(), *config.home().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    detail = f"{free / 2**30:.1f} GiB free at {folder}"
    if free < ROOM_BYTES:
        return Check("disk", "warn", detail, "free some, or set AGENT_SWARM_HOME to a folder on another disk")
    return Check("disk", "ok", detail)


def server_parts() -> Check:
    """What only the server needs is installed."""
    if missing := missing_modules("server"):
        remedy = f"to run a server here: {how_to_install('server')}"
        return Check("server parts", "warn", f"without {', '.join(missing)}", remedy)
    return Check("server parts", "ok", "installed")


def cgroups() -> Check:
    """Whether all processes of a run can be ended at once."""
    if sys.platform != "linux":
        return Check("cgroups", "warn", f"none on {sys.platform}", "run workers on Linux, or in a container")
    from agent_swarm.sandbox.cgroup import find_home

    home = find_home()
    if home is None:
        remedy = "runs end by walking their processes instead, a little slower; systemd: Delegate=yes"
        return Check("cgroups", "warn", "no cgroup2 directory to write to", remedy)
    return Check("cgroups", "ok", str(home))


def harnesses() -> Check:
    """What agents could run here."""
    from agent_swarm.harness import registry

    lacking = {name: registry.get(name).available() for name in registry.known_names()}
    missing = [f"{name}: {reason}" for name, reason in lacking.items() if reason]
    if missing:
        return Check("harnesses", "warn", "; ".join(missing), "tasks that name them wait for another worker")
    return Check("harnesses", "ok", ", ".join(lacking))


def key_file() -> Iterable[Check]:
    """The server's key on this machine is for its owner's eyes only; nothing to say where there is none."""
    path = server_data_dir() / KEY_FILE
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return []
    if mode & 0o077:
        return [Check("key file", "fail", f"{path} has mode {mode:04o}", f"chmod 600 {path}")]
    return [Check("key file", "ok", f"{path}, mode {mode:04o}")]


def reachable(server: Server) -> list[Check]:
    """The server answers and knows the key; where none answers, one could be started at its address."""
    try:
        Client(server, answer_seconds=5.0).get("/health")
    except Unreachable as exc:
        absent = Check("server", "warn", exc.message, exc.hint)
        return [absent, port(server)] if server.is_local else [absent]
    except SwarmError as exc:
        return [Check("server", "fail", exc.message, exc.hint)]
    return [Check("server", "ok", server.url), _key(server)]


def port(server: Server) -> Check:
    """Nothing else listens where a server of this machine would."""
    from agent_swarm.cli.swarm_processes import free_port

    parts = urlsplit(server.url)
    number = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        free_port(parts.hostname or "", number)
    except SwarmError as exc:
        return Check("port", "fail", exc.message, "stop what listens there, or use another one: --port")
    return Check("port", "ok", f"{number} is free")


def _key(server: Server) -> Check:
    try:
        Client(server, answer_seconds=5.0).get("/api/agents")
    except SwarmError as exc:
        return Check("key", "fail", exc.message, exc.hint)
    return Check("key", "ok", "accepted")


def _version(text: str) -> tuple[int, ...]:
    parts = text.split(maxsplit=1)[0].split(".") if text.strip() else []
    return tuple(int(part) for part in parts if part.isdecimal())


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
