"""The conflict radar of a worker: looks every now and then which of the running attempts would not merge.

It takes live snapshots of its own attempts, tells the server what they are and hears what others have, merges on trial
those pairs that are its own to merge, and tells the server where files are in conflict. A pair is merged by the worker
of the task with the smaller id. What the server cannot be told now is told with the next look.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from pydantic import BaseModel

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.overlaps import MOST_FILES, MOST_SHARED, PATH_CHARS
from agent_swarm.protocol.limits import PAGE_MAX
from agent_swarm.protocol.pool import FrameType
from agent_swarm.protocol.pool_radar import Live, LiveAttempt, LiveReply, Overlap, Overlaps
from agent_swarm.worker.link import LinkLost
from agent_swarm.worker.workspace import LiveSnapshots, Project, RunKey, Workspace, Workspaces
from agent_swarm.worker.workspace.trial_merges import MINIMUM_VERSION

log = structlog.get_logger(__name__)

MOST_PAIRS = 5_000  # that are merged in one look; the others with the next
SWEEP_SECONDS = 600.0  # between two looks for what killed workers left

Request = Callable[[FrameType, BaseModel], Awaitable[dict[str, Any]]]
Pair = tuple[RunKey, RunKey]
Files = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """An attempt whose agent is at work."""

    workspace: Workspace
    fence: int

    @property
    def key(self) -> RunKey:
        """Task and attempt."""
        return RunKey(self.workspace.task_id, self.workspace.attempt)


class Radar:
    """Looks at all projects that agents of this worker are at work on."""

    def __init__(self, workspaces: Workspaces, request: Request, watched: Callable[[], Sequence[Watched]]) -> None:
        self._workspaces = workspaces
        self._request = request
        self._watched = watched
        self._seconds = 0.0
        self._is_told = asyncio.Event()
        self._projects: dict[str, ProjectRadar] = {}

    def every(self, seconds: float) -> None:
        """How often the server wants it; 0: never."""
        self._seconds = seconds
        if seconds > 0:
            self._is_told.set()
        else:
            self._is_told.clear()

    async def run(self) -> None:
        """Look, for as long as the worker is there."""
        await self._is_told.wait()
        if lacking := await self._lacking():
            log.warning("radar_off", reason=lacking)
            return
        while True:
            await self._is_told.wait()
            await asyncio.sleep(self._seconds)
            await self.look()

    async def look(self) -> None:
        """At every project once; what goes wrong with one keeps nobody from the others.

        Where the server wants it no more, everything is forgotten, here and there.
        """
        runs: dict[str, list[Watched]] = {project_id: [] for project_id in self._projects}
        for one in self._watched() if self._seconds > 0 else ():
            project = one.workspace.project
            if project is not None:
                runs.setdefault(project.id, []).append(one)
        for project_id, there in runs.items():
            try:
                await self._at(project_id, there).look(there)
            except LinkLost:
                continue
            except SwarmError as exc:
                log.warning("radar_failed", project_id=project_id, reason=exc.message)
            except Exception:  # it must not take the worker with it
                log.exception("radar_failed", project_id=project_id)
            if not there:
                self._projects.pop(project_id).close()

    async def _lacking(self) -> str:
        """Why this host cannot merge in memory; empty where it can."""
        try:
            found = await self._workspaces.git_version()
        except SwarmError as exc:
            return exc.message
        needs, has = (".".join(map(str, version)) for version in (MINIMUM_VERSION, found))
        return "" if found[:2] >= MINIMUM_VERSION else f"git {has} cannot merge in memory; it takes {needs} or newer"

    def _at(self, project_id: str, runs: Sequence[Watched]) -> "ProjectRadar":
        if project_id not in self._projects:
            project: Project | None = runs[0].workspace.project
            assert project is not None
            self._projects[project_id] = ProjectRadar(self._workspaces.live_snapshots(project), self._request)
        return self._projects[project_id]


@dataclass(slots=True)
class ProjectRadar:
    """Looks at one project."""

    snapshots: LiveSnapshots
    request: Request
    _known: frozenset[RunKey] = frozenset()
    _found: dict[Pair, tuple[str, str, Files]] = field(default_factory=dict)  # by which commits
    _told: dict[Pair, Files] = field(default_factory=dict)
    _has_company: bool = False
    _swept_at: float | None = None

    async def look(self, runs: Sequence[Watched]) -> None:
        """Take, share, merge and tell. Raises LinkLost, and what else a server or git may say."""
        fences = {run.key: run.fence for run in runs[:MOST_SHARED]}
        own = await self._taken(runs[:MOST_SHARED])
        left = await self._left_behind()
        others = await self._share(own, fences)
        await self.snapshots.withdraw(self._known - fences.keys())
        self._known, self._has_company = frozenset(fences), bool(others)
        if others and await self._published():
            others = await self._share(own, fences)
        await self._sweep({key: commit for key, commit in left.items() if key not in others and key not in fences})
        await self._merge(own, await self._obtained(own, others))
        self._forget(own.keys() | others.keys())
        await self._tell(fences)

    def close(self) -> None:
        """Nobody is at work there any more."""
        self.snapshots.close()

    async def _taken(self, runs: Iterable[Watched]) -> dict[RunKey, str]:
        """What each run has now; one that never could be looked at is left out."""
        taken = {run.key: await self.snapshots.take(run.workspace) for run in runs}
        return {key: commit for key, commit in taken.items() if commit is not None}

    async def _share(self, own: Mapping[RunKey, str], fences: Mapping[RunKey, int]) -> dict[RunKey, str]:
        """The attempts of others, with the commit that can be fetched, if any.

        It comes before anything of an attempt is pushed: so a live snapshot whose attempt the server does not name is
        one that nobody needs.
        """
        attempts = tuple(
            LiveAttempt(
                task_id=key.task_id,
                fence=fences[key],
                attempt=key.attempt,
                commit=commit,
                published=self.snapshots.published.get(key) == commit,
            )
            for key, commit in own.items()
        )
        told = await self.request(FrameType.LIVE, Live(project_id=self.snapshots.project.id, attempts=attempts))
        reply = LiveReply.model_validate(told)
        return {RunKey.of(other.task_id, other.attempt): other.commit for other in reply.others}

    async def _published(self) -> bool:
        """Whether others can fetch something that they could not before."""
        before = dict(self.snapshots.published)
        try:
            await self.snapshots.publish()
        except SwarmError as exc:  # attempts of this worker are compared all the same
            log.warning("live_snapshots_not_published", project_id=self.snapshots.project.id, reason=exc.message)
        return before != self.snapshots.published

    async def _obtained(self, own: Mapping[RunKey, str], others: Mapping[RunKey, str]) -> dict[RunKey, str]:
        """The commits of others that this worker has to merge with, as far as they are to be had."""
        first = min((key.task_id for key in own), default=None)
        wanted = {key: commit for key, commit in others.items() if commit and first is not None and first < key.task_id}
        try:
            return await self.snapshots.obtain(wanted)
        except SwarmError as exc:
            log.warning("live_snapshots_not_fetched", project_id=self.snapshots.project.id, reason=exc.message)
            return {}

    async def _merge(self, own: Mapping[RunKey, str], others: Mapping[RunKey, str]) -> None:
        """Every pair of this worker of which one has changed since it was merged."""
        every = {**others, **own}
        pairs = [(one, other) for one in own for other in every if one.task_id < other.task_id]
        news = [pair for pair in pairs if self._found.get(pair, ())[:2] != (every[pair[0]], every[pair[1]])]
        commits = {pair: (every[pair[0]], every[pair[1]]) for pair in news[:MOST_PAIRS]}
        merged = await self.snapshots.compare(commits.values())
        for pair, two in commits.items():
            self._found[pair] = (*two, merged.get(two, ()))

    def _forget(self, present: Iterable[RunKey]) -> None:
        there = set(present)
        for known in (self._found, self._told):
            for pair in [pair for pair in known if not there.issuperset(pair)]:
                del known[pair]

    async def _tell(self, fences: Mapping[RunKey, int]) -> None:
        """Of every pair whose files in conflict are others than those that were told."""
        news = {pair: files for pair, (*_, files) in self._found.items() if self._told.get(pair, ()) != files}
        pairs = list(news)
        for begin in range(0, len(pairs), PAGE_MAX):
            some = pairs[begin : begin + PAGE_MAX]
            overlaps = tuple(_overlap(pair, fences[pair[0]], news[pair]) for pair in some)
            await self.request(FrameType.OVERLAPS, Overlaps(project_id=self.snapshots.project.id, overlaps=overlaps))
            self._told.update((pair, news[pair]) for pair in some)

    async def _left_behind(self) -> dict[RunKey, str]:
        """Every live snapshot in the project's repository, once in a while."""
        now = asyncio.get_running_loop().time()
        if not self._has_company or (self._swept_at is not None and now - self._swept_at < SWEEP_SECONDS):
            return {}
        self._swept_at = now
        try:
            return await self.snapshots.listed()
        except SwarmError as exc:
            log.warning("live_snapshots_not_listed", project_id=self.snapshots.project.id, reason=exc.message)
            return {}

    async def _sweep(self, stale: Mapping[RunKey, str]) -> None:
        try:
            await self.snapshots.sweep(stale)
        except SwarmError as exc:
            log.warning("live_snapshots_not_swept", project_id=self.snapshots.project.id, reason=exc.message)


def _overlap(pair: Pair, fence: int, files: Files) -> Overlap:
    one, other = pair
    names = [_shown(name) for name in files[:MOST_FILES]]
    return Overlap(
        task_id=one.task_id,
        fence=fence,
        other_task_id=other.task_id,
        other_attempt=other.attempt,
        files=tuple(names),
        more=len(files) - len(names),
    )


def _shown(name: str) -> str:
    """The name of a file as text; it need not be any."""
    return os.fsencode(name).decode(errors="replace")[:PATH_CHARS]
