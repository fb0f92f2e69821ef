"""What an agent is asked and told: the turn of one attempt, with everything its harness needs to know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent_swarm.harness.base import Bounds, Grants, PermissionMode, Permissions, Turn, agent_part
from agent_swarm.protocol.pool import Claimed
from agent_swarm.sandbox.base import NetworkMode, SandboxCapability
from agent_swarm.worker import claims
from agent_swarm.worker.corrections import KEPT
from agent_swarm.worker.environment import RunFacts, agent_environment
from agent_swarm.worker.mcp_servers import Servers, servers_of_run
from agent_swarm.worker.permissions import Confinement, tools_within
from agent_swarm.worker.settings import WorkerSettings
from agent_swarm.worker.workspace import Folders, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Employer:
    """What all turns of a worker have in common."""

    settings: WorkerSettings
    agent_id: str
    folders: Folders
    environ: Mapping[str, str]
    abilities: frozenset[SandboxCapability]  # of the sandbox that runs live in
    mcp_servers: Servers  # of the operator
    mcp_path: Callable[[], str]  # of the swarm's own, at the server; empty where it has none


def turn_for(
    claim: Claimed,
    workspace: Workspace,
    employer: Employer,
    grants: Grants,
    held_to: Confinement,
    *,
    model: str | None,
    session: str,
    network: NetworkMode,
    messages: str = "",
) -> Turn:
    """The turn of a claim; `session` is the conversation that the agent goes on with, if any.

    Without a network the server is out of reach, and its tools are left out rather than found broken.
    """
    settings = employer.settings
    environment = agent_environment(
        settings,
        _facts(claim, workspace, employer),
        worker=employer.environ,
        git=workspace.env,
        granted=grants.variables,
        stored={one.name: one.value for one in claim.environment},
    )
    return Turn(
        task_id=claim.task_id,
        attempt=claim.attempt,
        prompt=claim.prompt,
        workspace=workspace.path,
        state_dir=workspace.state_dir,
        env=environment,
        model=model,
        system_prompt="\n\n".join(filter(None, (settings.system_prompt, claim.instructions))) or None,
        session=session or None,
        messages=messages,
        context=claim.previous.context if claim.previous is not None else "",
        answers=claim.answers,
        permissions=tools_within(permissions_of(settings, employer.abilities), held_to),
        bounds=Bounds(
            turns=settings.max_turns or None,
            cost_usd=settings.max_cost_usd or None,
            silence=settings.stall_timeout,
            idle=KEPT if claim.checks_result else None,
        ),
        mcp_servers=servers_of_run(
            employer.mcp_servers,
            server_url=settings.server_url,
            path="" if network is NetworkMode.OFF else employer.mcp_path(),
            token=claim.token,
        ),
    )


def going_on(turn: Turn, session: str, account: str) -> Turn:
    """The turn of an agent that goes on where another one could not, in its conversation where that can be resumed.

    Where it cannot, the `account` says what was done, and what was said to it.
    """
    context = "\n\n".join(filter(None, (turn.context, account)))
    return replace(turn, session=session or None, context=context, messages="" if session else turn.messages)


def _facts(claim: Claimed, workspace: Workspace, employer: Employer) -> RunFacts:
    """What the agent's environment says of its run."""
    tmp = agent_part(workspace.state_dir) / "tmp"
    tmp.mkdir(parents=True, exist_ok=True, mode=0o700)
    return RunFacts(
        agent_id=employer.agent_id,
        task_id=claim.task_id,
        attempt=claim.attempt,
        token=claim.token,
        workspace=workspace.path,
        tmp=tmp,
        shared_dir=employer.folders.shared,
        personal_dir=employer.folders.personal,
        dependencies=_dependencies_file(claim, workspace),
        instructions=_instructions_file(claim, workspace),
    )


def permissions_of(settings: WorkerSettings, abilities: frozenset[SandboxCapability]) -> Permissions:
    """The profile that agents run under.

    Left to itself it depends on the sandbox: an agent that cannot leave its files may do everything, one that sees
    the files of the worker's user may edit its workspace and use the tools that are allowed by name.
    """
    mode = settings.permission_mode
    is_kept_in = SandboxCapability.FILESYSTEM_ISOLATED in abilities
    if settings.yolo:
        mode = PermissionMode.ALL
    elif mode is None:
        mode = PermissionMode.ALL if is_kept_in else PermissionMode.EDITS
    return Permissions(
        mode=mode,
        allowed_tools=settings.allowed_tools,
        denied_tools=settings.denied_tools,
        settings=settings.claude_settings,
        by_sandbox=is_kept_in and mode is PermissionMode.EDITS,
    )


def _instructions_file(claim: Claimed, workspace: Workspace) -> Path | None:
    if not claim.instructions:
        return None
    path = workspace.state_dir / "INSTRUCTIONS.md"
    path.write_text(claim.instructions, encoding="utf-8", errors="replace")
    return path


def _dependencies_file(claim: Claimed, workspace: Workspace) -> Path | None:
    if not claim.dependencies:
        return None
    path = workspace.state_dir / "DEPENDENCIES.md"
    path.write_text(claims.dependencies_page(claim), encoding="utf-8", errors="replace")
    return path
