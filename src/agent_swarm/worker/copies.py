"""Keeps the worker's copies of projects up to date when the server asks for it, and says what became of it.

It needs no slot: what agents work on is not touched. One project is fetched once however often that is asked for
meanwhile (`workspace.mirrors`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from pydantic import BaseModel

from agent_swarm.domain.errors import SwarmError
from agent_swarm.protocol.limits import PAGE_MAX, PROGRESS_CHARS, RESULT_CHARS
from agent_swarm.protocol.pool import FrameType, Sync, Synced, WorkspaceOfAttempt
from agent_swarm.worker.claims import repository_of
from agent_swarm.worker.link import LinkLost
from agent_swarm.worker.workspace import SyncedCopy, Workspaces

log = structlog.get_logger(__name__)

AT_ONCE = 4  # projects that are fetched at the same time

Request = Callable[[FrameType, BaseModel], Awaitable[dict[str, Any]]]


class Copies:
    """Carries out `sync` orders. `request` sends a frame, `connected` waits until that makes sense."""

    def __init__(
        self,
        workspaces: Workspaces,
        request: Request,
        connected: Callable[[], Awaitable[None]],
        *,
        github_token: str,
    ) -> None:
        self._workspaces = workspaces
        self._request = request
        self._connected = connected
        self._github_token = github_token
        self._room = asyncio.Semaphore(AT_ONCE)

    async def carry_out(self, order: Sync) -> None:
        """Fetch, look, and tell the server; never raises for what is wrong with the repository."""
        async with self._room:
            told = await self._synced(order)
        while True:
            await self._connected()
            try:
                await self._request(FrameType.SYNCED, told)
                return
            except LinkLost:
                continue
            except SwarmError as exc:
                log.warning("sync_not_told", code=exc.code, reason=exc.message)
                return

    async def _synced(self, order: Sync) -> Synced:
        try:
            copy = await self._workspaces.sync(repository_of(order.project, self._github_token))
        except (SwarmError, OSError) as exc:
            code, said = (exc.code, exc.message) if isinstance(exc, SwarmError) else ("io", str(exc))
            log.warning("project_not_synced", project_id=order.project.id, code=code, reason=said)
            return Synced(
                request_id=order.request_id,
                project_id=order.project.id,
                status="failed",
                code=code,
                error=said[:RESULT_CHARS],
            )
        log.info("project_synced", project_id=order.project.id, status=copy.status.value, head=copy.head)
        return _told(order, copy)


def _told(order: Sync, copy: SyncedCopy) -> Synced:
    return Synced(
        request_id=order.request_id,
        project_id=order.project.id,
        status=copy.status.value,
        branch=copy.branch,
        head=copy.head,
        before=copy.before,
        workspaces=tuple(
            WorkspaceOfAttempt(
                task_id=run.task_id,
                attempt=run.attempt,
                branch=run.branch,
                head=run.head,
                changed_files=run.changed_files,
                ahead=run.ahead,
                behind=run.behind,
                held=run.is_held,
                problem=run.problem[:PROGRESS_CHARS],
            )
            for run in copy.runs[:PAGE_MAX]
        ),
    )
