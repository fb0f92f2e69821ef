"""The permission profiles of a server: those that are built in, and those of an operator's file.

[profiles.build]
files = "workspace"          # read, workspace, worker
network = "allow"            # off, allow, worker
allow = ["pypi.example", "*.internal.example:443"]
deniedTools = ["WebFetch"]
mayFileTasks = false
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent_swarm.config import SettingError
from agent_swarm.domain.permissions import BUILT_IN, Files, Profile, Profiles, Reach
from agent_swarm.protocol import limits
from agent_swarm.server.settings import ServerSettings

_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_FIELDS = frozenset({"files", "network", "allow", "deniedTools", "mayFileTasks"})


def profiles_of(settings: ServerSettings) -> Profiles:
    """All profiles and the defaults. Raises SettingError for what cannot be used."""
    by_name = {**BUILT_IN, **_read(settings.profiles_file)}
    for variable, name in (
        ("AGENT_SWARM_WORKER_PERMISSIONS", settings.worker_permissions),
        ("AGENT_SWARM_LEAD_PERMISSIONS", settings.lead_permissions),
    ):
        if name and name not in by_name:
            raise SettingError(
                f"{variable}: there is no permission profile {name!r}", hint=f"expected one of: {', '.join(by_name)}"
            )
    return Profiles(by_name=by_name, worker=settings.worker_permissions, lead=settings.lead_permissions)


def _read(path: Path | None) -> dict[str, Profile]:
    if path is None:
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise SettingError(f"AGENT_SWARM_PROFILES: {path} cannot be read: {exc}") from exc
    tables = content.get("profiles")
    if not isinstance(tables, dict) or content.keys() != {"profiles"} or len(tables) > limits.PROFILES - len(BUILT_IN):
        raise _invalid(path, f"expected up to {limits.PROFILES - len(BUILT_IN)} tables named [profiles.<name>]")
    return {name: _profile(path, name, table) for name, table in tables.items()}


def _profile(path: Path, name: str, table: Any) -> Profile:
    if name in BUILT_IN or not _NAME.fullmatch(name):
        raise _invalid(path, f"{name!r} cannot be the name of a profile: small letters, digits, dashes; none built in")
    if not isinstance(table, dict) or not table.keys() <= _FIELDS:
        raise _invalid(path, f"profile {name!r} may have: {', '.join(sorted(_FIELDS))}")
    try:
        return Profile(
            name=name,
            files=Files(table.get("files", Files.WORKSPACE)),
            network=Reach(table.get("network", Reach.WORKER)),
            allow=_texts(table, "allow"),
            denied_tools=_texts(table, "deniedTools"),
            may_file=_truth(table, "mayFileTasks"),
        )
    except ValueError as exc:
        raise _invalid(path, f"profile {name!r}: {exc}") from exc


def _texts(table: Mapping[str, Any], field: str) -> tuple[str, ...]:
    found = table.get(field, [])
    if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found):
        raise ValueError(f"{field} is not a list of texts")
    if len(found) > limits.PROFILE_ENTRIES:
        raise ValueError(f"{field} has {len(found)} entries, at most {limits.PROFILE_ENTRIES} are taken")
    return tuple(found)


def _truth(table: Mapping[str, Any], field: str) -> bool:
    found = table.get(field, True)
    if not isinstance(found, bool):
        raise ValueError(f"{field} is neither true nor false")
    return found


def _invalid(path: Path, problem: str) -> SettingError:
    return SettingError(f"AGENT_SWARM_PROFILES: {path}: {problem}", hint="docs/guardrails.md has an example")
