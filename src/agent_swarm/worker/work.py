"""The files of one attempt, from an empty folder to a pushed result, or to a snapshot to go on from."""

from dataclasses import replace

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.protocol.pool import Claimed
from agent_swarm.worker import claims
from agent_swarm.worker.stops import Whereabouts
from agent_swarm.worker.workspace import AttemptResult, Landed, Project, Workspace, Workspaces
from agent_swarm.worker.workspace.errors import PreviousWorkMissing

log = structlog.get_logger(__name__)


class Work:
    """One attempt's workspace. What can be lost for good raises; what can only be late is logged and left for later."""

    def __init__(self, claim: Claimed, agent_id: str, workspaces: Workspaces, github_token: str) -> None:
        self.is_check = claim.landing is not None  # it begins anew each time, and leaves nothing
        self.going_on = None if self.is_check else claims.going_on(claim, agent_id)
        self.workspace: Workspace | None = None
        self.is_held = False  # it waits for the attempt that goes on in it
        self._claim = claim
        self._workspaces = workspaces
        self._github_token = github_token
        self._log = log.bind(task_id=claim.task_id, attempt=claim.attempt)

    @property
    def session(self) -> str:
        """The conversation to go on with; it belongs to the very folder that it was held in."""
        is_same_folder = self.workspace is not None and self.workspace.resumed
        return self.going_on.where.session if self.going_on is not None and is_same_folder else ""

    async def prepare(self) -> Workspace:
        """Make the workspace, and push what earlier attempts could not; raises what `Workspaces.prepare` raises."""
        project = claims.project_of(self._claim, self._github_token)
        self.workspace = await self._prepared(project)
        if project is not None:  # its repository has just answered
            await self._show_results(self.workspace)
            await self._push_pending(project)
        return self.workspace

    async def _prepared(self, project: Project | None) -> Workspace:
        attempt = (project, self._claim.task_id, self._claim.attempt)
        dependencies = claims.results_of(self._claim)
        if self.going_on is not None:
            try:
                return await self._workspaces.prepare(
                    *attempt, dependencies=dependencies, previous=self.going_on.previous()
                )
            except PreviousWorkMissing as exc:  # paused on a host that could not push it and has not come back
                self._log.warning("starts_over", reason=exc.message)
        return await self._workspaces.prepare(*attempt, dependencies=dependencies, is_check=self.is_check)

    async def _show_results(self, workspace: Workspace) -> None:
        """Have what the tasks below this one delivered at hand; an agent that needs what is missing will say so."""
        below = claims.below_of(self._claim)
        try:
            missing = await self._workspaces.show(workspace, below) if below else []
        except (SwarmError, OSError) as exc:
            self._log.warning("results_not_shown", reason=str(exc))
            return
        if missing:
            self._log.warning("results_missing", branches=[one.branch for one in missing])

    async def _push_pending(self, project: Project) -> None:
        try:
            await self._workspaces.push_pending((project,))
        except (SwarmError, OSError) as exc:
            self._log.warning("snapshots_not_pushed", project_id=project.id, reason=str(exc))

    async def secure(self) -> bool:
        """Keep the merge that is to be checked; whether there is anything to check: results may be on the branch."""
        if self.workspace is None:
            return False
        commit = await self._workspaces.secure(self.workspace)
        return commit != self.workspace.origin or not claims.results_of(self._claim)

    async def land(self) -> Landed:
        """Put the merge that was checked on its branch; can be called again after a failure."""
        if self.workspace is None:
            raise RuntimeError("a check lands what it has prepared")
        return await self._workspaces.land(self.workspace)

    async def collect(self) -> AttemptResult:
        """Commit and push; can be called again after a failure."""
        if self.workspace is None:
            return AttemptResult()
        message = f"{self._claim.title}\n\nTask: {self._claim.task_id}\nAttempt: {self._claim.attempt}\n"
        return await self._workspaces.collect(self.workspace, message=message)

    async def hold(self, where: Whereabouts) -> Whereabouts:
        """Keep the workspace for the attempt that goes on in it; with a snapshot for other hosts where possible."""
        if self.workspace is None or self.is_check:
            return where
        self.is_held = True
        try:
            snapshot = await self._workspaces.pause(self.workspace)
        except (SwarmError, OSError) as exc:
            self._log.warning("snapshot_failed", reason=str(exc))
            return replace(where, snapshot=f"folder:{self.workspace.task_id}/{self.workspace.attempt}")
        name = claims.snapshot_name(snapshot, self.workspace.task_id, self.workspace.attempt)
        return replace(where, commit=snapshot.commit or "", snapshot=name)

    def keep(self) -> None:
        """Leave the workspace as it is for the attempt that goes on in it. Nothing leaves this host."""
        if self.workspace is None or self.is_check:
            return
        try:
            self._workspaces.keep(self.workspace)
            self.is_held = True
        except (SwarmError, OSError) as exc:
            self._log.warning("workspace_not_kept", reason=str(exc))

    async def save(self, where: Whereabouts) -> Whereabouts:
        """Make unfinished work safe for people, before the workspace goes."""
        if self.workspace is None or self.workspace.project is None or self.is_check:
            return where
        try:
            snapshot = await self._workspaces.snapshot(self.workspace)
        except (SwarmError, OSError) as exc:
            self._log.warning("snapshot_failed", reason=str(exc))
            return where
        name = claims.snapshot_name(snapshot, self.workspace.task_id, self.workspace.attempt)
        return replace(where, commit=snapshot.commit or "", snapshot=name)

    async def discard(self) -> None:
        """Remove the workspace unless it is held; where that fails the next start of the worker tries again."""
        if self.workspace is None or self.is_held:
            return
        try:
            await self._workspaces.discard(self.workspace)
        except (SwarmError, OSError) as exc:
            self._log.warning("workspace_stays", path=str(self.workspace.path), reason=str(exc))
