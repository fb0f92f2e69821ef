"""Runs a recorded attempt once more: the same CLI, in a workspace of its own, against its recording."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from agent_swarm.domain.credentials import LOGIN, secrets_in
from agent_swarm.domain.errors import SwarmError
from agent_swarm.harness.base import (
    AgentEvent,
    Bounds,
    Grants,
    Harness,
    Outcome,
    PermissionMode,
    Permissions,
    Turn,
    agent_part,
)
from agent_swarm.redaction import Redactor
from agent_swarm.sandbox.base import Network, NetworkMode, SandboxCapability, SandboxProvider, SandboxSpec
from agent_swarm.worker.agent import StopSignal, follow
from agent_swarm.worker.lending import first_alone, is_refusal
from agent_swarm.worker.replay.fork import Fork
from agent_swarm.worker.replay.normal import Normal
from agent_swarm.worker.replay.player import Player
from agent_swarm.worker.replay.routes import Routes
from agent_swarm.worker.replay.tape import Head, Recording
from agent_swarm.worker.replay.telling import Telling
from agent_swarm.worker.replay.trees import tree_of
from agent_swarm.worker.replay.verdict import Verdict, verdict_of
from agent_swarm.worker.stops import Stop
from agent_swarm.worker.turns import going_on
from agent_swarm.worker.workspace import Project, Workspace, Workspaces
from agent_swarm.worker.workspace.identity import Identity

_OF_THIS_HOST = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ")
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"})


class CannotReplay(SwarmError):
    """A recording is whole, and its run cannot be begun again here."""

    code = "cannotReplay"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where and with what a recording is replayed. `repository` stands for the one that the run worked on."""

    folder: Path  # new; the workspace stays in it
    provider: SandboxProvider
    find_harness: Callable[[str], Harness]
    environ: Mapping[str, str]
    repository: str | None = None
    fork: Fork | None = None


@dataclass
class _Played:
    outcome: Outcome | None = None
    events: list[AgentEvent] = field(default_factory=list)


async def replay(recording: Recording, stage: Stage) -> Verdict:
    """Run it again, to its end or to the first request that is not in the recording.

    Raises CannotReplay, and what making the workspace raises.
    """
    head = recording.head
    harness = _harness(head, stage)
    identity = Identity(name=head.env.get("GIT_AUTHOR_NAME") or "agent", email=head.env.get("GIT_AUTHOR_EMAIL") or "-")
    async with await Workspaces.open(stage.folder / "worker", identity, environ=stage.environ) as workspaces:
        workspace = await workspaces.prepare(
            _project(recording, stage), head.task_id, head.attempt, base=head.commit or None
        )
        began_with = await asyncio.to_thread(tree_of, workspace.path)
        env = _environment(head, workspace, stage, harness.grants)
        recorded, now = Normal(_places(head.workspace, head.state_dir, head.env)), Normal(_places_of(workspace, env))
        routes = Routes(outside=head.routes)
        redactor = Redactor(_stand_ins(env))
        player = Player(recording, routes=routes, recorded=recorded, now=now, redactor=redactor, fork=stage.fork)
        await player.start()
        try:
            turn = routes.led(_turn(head, workspace, env), player.port)
            spec = _spec(workspace, stage, harness.grants, player.port)
            turns = [turn if stage.fork else _lent(turn, variables, harness.grants) for variables in recording.lent]
            played = await _play(harness, turns or [turn], spec, stage, player, Telling(redactor))
        finally:
            await player.stop()
        ended_with = await asyncio.to_thread(tree_of, workspace.path)
        return verdict_of(
            recording,
            player,
            (recorded, now),
            trees=(began_with, ended_with),
            events=played.events,
            outcome=played.outcome,
            workspace=workspace.path,
        )


async def _play(
    harness: Harness, turns: Sequence[Turn], spec: SandboxSpec, stage: Stage, player: Player, telling: Telling
) -> _Played:
    """Run the agent; where a provider refuses it again, begin it in its conversation once more, as often as it was."""
    played, stop = _Played(), StopSignal()

    async def heard(event: AgentEvent) -> None:
        played.events.extend(telling.feed(event))

    async def watch() -> None:
        await player.diverged.wait()
        stop.give(Stop.CANCEL)

    sandbox = await stage.provider.open(spec)
    watching = asyncio.create_task(watch())
    try:
        handle = ""
        for turn in turns:
            session = await harness.open(sandbox, going_on(turn, handle, ""))
            try:
                played.outcome = await follow(session, heard, stop, limit=None)
            finally:
                await session.close()
            played.events.extend(telling.rest())
            handle = session.handle or ""
            if not is_refusal(played.outcome):
                break
    finally:
        watching.cancel()
        await sandbox.close()
    return played


def _harness(head: Head, stage: Stage) -> Harness:
    """Raises CannotReplay where the run cannot be begun again."""
    if head.goes_on:
        raise CannotReplay(
            "the attempt went on in the conversation of an earlier one, which is not in its recording",
            hint="replay the attempt that began the conversation",
        )
    if head.is_isolated and SandboxCapability.FILESYSTEM_ISOLATED not in stage.provider.capabilities:
        raise CannotReplay(
            "the agent was in a sandbox that isolates files, and may do everything; there is none here",
            hint="install bubblewrap: agent-swarm doctor says how",
        )
    harness = stage.find_harness(head.harness)
    if (missing := harness.available()) is not None:
        raise CannotReplay(f"harness {head.harness!r} cannot run on this host: {missing}")
    return harness


def _project(recording: Recording, stage: Stage) -> Project | None:
    """The repository; by default the mirror of the worker that made the recording, which needs no network."""
    head = recording.head
    if not head.project_id:
        return None
    mirror = recording.path.absolute().parents[3] / "mirrors" / f"{head.project_id}.git"
    url = stage.repository or (str(mirror) if mirror.is_dir() else head.project_url)
    return Project(id=head.project_id, url=url, default_branch=head.default_branch)


def _environment(head: Head, workspace: Workspace, stage: Stage, grants: Grants) -> dict[str, str]:
    """The recorded one at its new place. Secrets have stand-ins; only a fork has real credentials of its model."""
    old, new = Path(head.workspace).parent, workspace.path.parent
    shown = {name: stand_in(name) if text is None else text for name, text in head.env.items()}
    env = {name: text.replace(str(old), str(new)) for name, text in shown.items() if name not in _PROXIES}
    env |= {name: stage.environ[name] for name in _OF_THIS_HOST if name in stage.environ}
    for name in ("AGENT_SWARM_SHARED_DIR", "AGENT_SWARM_PERSONAL_DIR"):
        folder = stage.folder / name.split("_")[2].lower()
        folder.mkdir(exist_ok=True, mode=0o700)
        env[name] = str(folder)
    if stage.fork is not None:
        env = {name: text for name, text in env.items() if name not in grants.credentials}
        env |= real_secrets(head, stage.environ, grants)
    Path(env.get("TMPDIR", workspace.state_dir)).mkdir(parents=True, exist_ok=True, mode=0o700)
    return {**env, **workspace.env}


def _lent(turn: Turn, variables: Sequence[str], grants: Grants) -> Turn:
    """Of credentials only what is in these variables."""
    withheld = set(grants.credentials) - set(variables)
    return replace(turn, env={name: value for name, value in turn.env.items() if name not in withheld})


def real_secrets(head: Head, environ: Mapping[str, str], grants: Grants) -> dict[str, str]:
    """Of the person who forks: one credential, as an attempt gets it. Raises CannotReplay where there is none.

    One that stands in a variable of the recorded run comes first: by a credential's kind some CLIs choose their model.
    """
    held = {name: environ[name] for name in grants.secrets if environ.get(name, "").strip()}
    alike = {name: text for name, text in held.items() if name in head.env or name not in grants.credentials}
    real = first_alone(alike if alike.keys() & set(grants.credentials) else held, grants, head.model)
    if not real.keys() & set(grants.credentials) and head.env.keys() & set(grants.credentials):
        raise CannotReplay(
            f"a fork asks a real model, and there are no credentials of {head.harness} in this environment",
            hint=f"set one of: {', '.join(grants.credentials)}",
        )
    return real


def stand_in(name: str) -> str:
    """What a variable holds whose value is not in the recording."""
    shown = f"replayed-{name.lower()}"
    return f"replayed:{shown}" if name == LOGIN else shown


def _stand_ins(env: Mapping[str, str]) -> list[str]:
    """What is shown as redacted, as the secrets were."""
    return [secret for name in env for secret in secrets_in(name, stand_in(name))]


def _places(workspace: str, state_dir: str, env: Mapping[str, str | None]) -> dict[str, str]:
    named = {workspace: "workspace", state_dir: "state", str(Path(workspace).parent): "run"}
    for name in ("AGENT_SWARM_SHARED_DIR", "AGENT_SWARM_PERSONAL_DIR", "HOME"):
        if place := env.get(name):
            named[place] = name
    return named


def _places_of(workspace: Workspace, env: Mapping[str, str]) -> dict[str, str]:
    return _places(str(workspace.path), str(workspace.state_dir), env)


def _turn(head: Head, workspace: Workspace, env: Mapping[str, str]) -> Turn:
    permissions = dict(head.permissions)
    settings = permissions.pop("settings")
    return Turn(
        task_id=head.task_id,
        attempt=head.attempt,
        prompt=head.prompt,
        workspace=workspace.path,
        state_dir=workspace.state_dir,
        env=env,
        model=head.model,
        system_prompt=head.system_prompt,
        permissions=Permissions(
            mode=PermissionMode(permissions["mode"]),
            allowed_tools=tuple(permissions["allowed_tools"]),
            denied_tools=tuple(permissions["denied_tools"]),
            settings=Path(settings) if settings else None,
            by_sandbox=permissions["by_sandbox"],
        ),
        bounds=Bounds(
            turns=head.bounds["turns"],
            cost_usd=head.bounds["cost_usd"],
            silence=timedelta(seconds=head.bounds["silence"]),
        ),
        mcp_servers=Routes.servers(head.routes),
        **head.opening,
    )


def _spec(workspace: Workspace, stage: Stage, grants: Grants, port: int) -> SandboxSpec:
    """Nothing of the network but the player, where the sandbox can see to that."""
    can_bound = SandboxCapability.NETWORK_ALLOWLIST in stage.provider.capabilities
    network = Network(mode=NetworkMode.ALLOW, own=(f"127.0.0.1:{port}",)) if can_bound else Network()
    given = [path for path in (workspace.git_dir, workspace.objects) if path is not None]
    folders = (stage.folder / "shared", stage.folder / "personal")
    return SandboxSpec(
        run_id=f"replay-{workspace.task_id}-{workspace.attempt}",
        workspace=workspace.path,
        state_dir=stage.folder / "sandbox",
        writable=(agent_part(workspace.state_dir), *given[:1], folders[1]),
        readable=(workspace.state_dir, *given[1:], folders[0], *grants.readable),
        network=network,
    )
