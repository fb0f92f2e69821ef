"""The environment of an agent, built from nothing: what is not named here does not get in."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.domain.credentials import KINDS
from agent_swarm.worker.settings import WorkerSettings

KEY_VARIABLES = frozenset(
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
_INHERITED = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What an agent is told about its run."""

    agent_id: str
    task_id: str
    attempt: int
    token: str
    workspace: Path
    tmp: Path
    shared_dir: Path
    personal_dir: Path
    dependencies: Path | None
    instructions: Path | None = None


def agent_environment(
    settings: WorkerSettings,
    facts: RunFacts,
    *,
    worker: Mapping[str, str],
    git: Mapping[str, str],
    granted: Collection[str] = (),
    stored: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The whole environment: a few variables of the worker's own, those that are `stored` for the attempt, those its
    harness is `granted`, those the operator passes on, git's, and the run's; later ones win.

    Credentials of other agent CLIs are not taken from what is stored, unless the operator lists them. The server's keys
    do not get in: not under their names, the API key not inside another variable, and not because the operator lists
    them.
    """
    not_its_own = KINDS.keys() - {*granted, *settings.pass_env}
    inherited = {name: worker[name] for name in worker if name in _INHERITED or name.startswith("LC_")}
    passed = {name: worker[name] for name in (*granted, *settings.pass_env) if worker.get(name)}
    told = {
        "TMPDIR": str(facts.tmp),
        "WORKSPACE": str(facts.workspace),
        "AGENT_SWARM_URL": settings.server_url,
        "AGENT_SWARM_TOKEN": facts.token,
        "AGENT_SWARM_TASK_ID": facts.task_id,
        "AGENT_SWARM_ATTEMPT": str(facts.attempt),
        "AGENT_SWARM_AGENT_ID": facts.agent_id,
        "AGENT_SWARM_SHARED_DIR": str(facts.shared_dir),
        "AGENT_SWARM_PERSONAL_DIR": str(facts.personal_dir),
    }
    if facts.dependencies is not None:
        told["AGENT_SWARM_DEPENDENCIES"] = str(facts.dependencies)
    if facts.instructions is not None:
        told["AGENT_SWARM_INSTRUCTIONS"] = str(facts.instructions)
    kept = {name: value for name, value in (stored or {}).items() if name not in not_its_own}
    everything = {**kept, "PATH": os.defpath, **inherited, **passed, **git, **told}
    return {name: value for name, value in everything.items() if not _holds_key(name, value, settings.api_key)}


def _holds_key(name: str, value: str, api_key: str) -> bool:
    return name.upper() in KEY_VARIABLES or (bool(api_key) and api_key in value)
