"""Has an attempt recorded: leads its agent CLI through the recorder, and writes down what the run was."""

import asyncio
import platform
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from agent_swarm.domain.addresses import normalized
from agent_swarm.harness.base import AgentEvent, Emit, Grants, Outcome, Turn
from agent_swarm.redaction import Redactor
from agent_swarm.sandbox.allowlist import AllowList
from agent_swarm.sandbox.base import Network, NetworkMode, SandboxSpec
from agent_swarm.worker.replay.recorder import ExchangeRecorder
from agent_swarm.worker.replay.routes import MODELS, Routes
from agent_swarm.worker.replay.tape import Head, Tape
from agent_swarm.worker.replay.trees import tree_of
from agent_swarm.worker.workspace import Workspace
from agent_swarm.worker.workspace.urls import Remote

log = structlog.get_logger(__name__)


class Untaped:
    """An attempt that is not recorded: everything stays as it is.

    `said`: what who asked for a recording is to know of it; empty where nobody did.
    """

    def __init__(self, spec: SandboxSpec, said: str = "") -> None:
        self.spec = spec
        self.said = said

    async def led(self, turn: Turn) -> Turn:
        """The turn to begin with."""
        return turn

    def lent(self, turn: Turn) -> None:
        """The agent begins with the credential in this turn, or goes on with it."""

    def hearing(self, emit: Emit) -> Emit:
        """Who hears what the agent does."""
        return emit

    async def ended(self, outcome: Outcome | None) -> None:
        """No process of the agent is left."""


class Taping(Untaped):
    """An attempt that is recorded. `private` names variables whose values are nobody's business."""

    def __init__(
        self,
        spec: SandboxSpec,
        *,
        tape: Tape,
        recorder: ExchangeRecorder,
        redactor: Redactor,
        workspace: Workspace,
        harness: str,
        is_isolated: bool,
        grants: Grants,
        private: frozenset[str],
    ) -> None:
        said = f"recorded for agent-swarm replay, on host {platform.node()}: {tape.path}"
        super().__init__(replace(spec, network=_with_door(spec.network, recorder.port)), said)
        self._tape = tape
        self._recorder = recorder
        self._redactor = redactor
        self._workspace = workspace
        self._harness = harness
        self._is_isolated = is_isolated
        self._variables = grants.variables
        self._credentials = grants.credentials
        self._private = private
        self._may_reach = _reach(spec.network)
        self._has_begun = False

    async def led(self, turn: Turn) -> Turn:
        """Through the recorder."""
        routes = Routes.of(turn, self._variables, self._may_reach)
        self._recorder.serves(routes)
        tree = await asyncio.to_thread(tree_of, self._workspace.path)
        self._tape.begin(self._head(turn, routes, tree))
        return routes.led(turn, self._recorder.port)

    def lent(self, turn: Turn) -> None:
        """Of a credential its place is kept: by its kind the CLI asks another address, or for another model."""
        self._has_begun = True
        self._tape.lent([name for name in self._credentials if name in turn.env])

    def hearing(self, emit: Emit) -> Emit:
        """Into the recording as well."""

        async def heard(event: AgentEvent) -> None:
            self._tape.event(event)
            await emit(event)

        return heard

    async def ended(self, outcome: Outcome | None) -> None:
        """Look at the files, before anything is done with them."""
        tree = await asyncio.to_thread(tree_of, self._workspace.path)
        self._tape.end(ok=outcome is not None and outcome.ok, tree=tree)

    async def close(self) -> None:
        """Nothing more comes. Where every credential rested, who takes over has the attempt's recording."""
        await self._recorder.stop()
        self._tape.close()
        if not self._has_begun:
            self._tape.path.unlink(missing_ok=True)

    def _head(self, turn: Turn, routes: Routes, tree: Mapping[str, str]) -> Head:
        project, permissions, bounds = self._workspace.project, turn.permissions, turn.bounds
        return Head(
            task_id=turn.task_id,
            attempt=turn.attempt,
            harness=self._harness,
            is_isolated=self._is_isolated,
            prompt=turn.prompt,
            model=turn.model,
            system_prompt=turn.system_prompt,
            opening={"messages": turn.messages, "context": turn.context, "answers": turn.answers},
            workspace=str(turn.workspace),
            state_dir=str(turn.state_dir),
            env={name: self._shown(name, value) for name, value in turn.env.items()},
            permissions={**asdict(permissions), "settings": permissions.settings and str(permissions.settings)},
            bounds={"turns": bounds.turns, "cost_usd": bounds.cost_usd, "silence": bounds.silence.total_seconds()},
            routes=routes.outside,
            tree=tree,
            goes_on=turn.session is not None,
            project_id=project.id if project else "",
            project_url=Remote.parse(project.url).url if project else "",
            default_branch=project.default_branch if project else None,
            commit=self._workspace.base or "",
            unrecorded=tuple(name for name in turn.mcp_servers if f"mcp.{name}" not in routes.outside),
        )

    def _shown(self, name: str, value: str) -> str | None:
        return None if name in self._private or self._redactor.text(value) != value else value


@asynccontextmanager
async def taped(
    spec: SandboxSpec,
    *,
    folder: Path | None,
    redactor: Redactor,
    workspace: Workspace,
    grants: Grants,
    harness: str,
    is_isolated: bool,
    private: frozenset[str],
) -> AsyncIterator[Untaped]:
    """Record an attempt into `folder`, where there is one and the harness has a model that can be reached."""
    if folder is None:
        yield Untaped(spec)
        return
    if not MODELS.keys() & set(grants.variables) or spec.network.mode is NetworkMode.OFF:
        yield _not_recorded(spec, harness, "it asks no model that could be listened to")
        return
    try:
        tape = Tape(folder, redactor)
    except OSError as exc:
        yield _not_recorded(spec, harness, f"{folder} cannot be written: {exc.strerror}")
        return
    await (recorder := ExchangeRecorder(tape)).start()
    taping = Taping(
        spec,
        tape=tape,
        recorder=recorder,
        redactor=redactor,
        workspace=workspace,
        harness=harness,
        is_isolated=is_isolated,
        grants=grants,
        private=private | frozenset(grants.secrets),
    )
    try:
        yield taping
    finally:
        await taping.close()


def _not_recorded(spec: SandboxSpec, harness: str, reason: str) -> Untaped:
    log.info("not_recorded", harness=harness, reason=reason)
    return Untaped(spec, f"not recorded, as {harness} was asked to be: {reason}")


def _with_door(network: Network, port: int) -> Network:
    """What a run may reach, and the recorder."""
    return replace(network, own=(*network.own, f"127.0.0.1:{port}"))


def _reach(network: Network) -> Callable[[str], bool]:
    """Whether a run with this network may reach an address by itself."""
    if network.mode is not NetworkMode.ALLOW:
        return lambda url: network.mode is NetworkMode.ON
    allowed = AllowList.of(network.allow, network.own)

    def may(url: str) -> bool:
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            return allowed.names(normalized(parts.hostname or ""), port)
        except ValueError:  # no address: the agent will say so
            return False

    return may
