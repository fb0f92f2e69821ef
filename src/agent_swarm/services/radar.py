"""The conflict radar: what workers tell of running attempts is kept, and both agents of an overlap are told.

The merging is done by workers, who have the files. What people see of it is in `conflicts`.
"""

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.overlaps import MOST_AT_PROJECT, PATH_CHARS
from agent_swarm.protocol import pool_radar as wire
from agent_swarm.services.conflicts import names_of, runs, tasks_of
from agent_swarm.services.redaction import Redactor
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.live_work import LIVE_WORK, FoundOverlap, LiveWork, NoteOverlaps, ShareLiveWork
from agent_swarm.store.records import TaskRecord


class Radar:
    """The overlaps of one store."""

    def __init__(self, store: Store, redactor: Redactor) -> None:
        self._store = store
        self._redactor = redactor

    async def share(self, told: wire.Live, *, agent_id: str) -> wire.LiveReply:
        """Keep what the attempts of an agent at a project have now; what those of others have.

        An attempt that is not the agent's, or has ended, is passed over: its worker hears of that by its heartbeat.
        """
        project_id = told.project_id.lower()

        def reading(queries: Queries) -> ShareLiveWork:
            rows = queries.scan(LIVE_WORK, project_id, limit=MOST_AT_PROJECT)
            tasks = tasks_of(queries, [*(row.task_id for row in rows), *(one.task_id.lower() for one in told.attempts)])
            own = [(one, tasks.get(one.task_id.lower())) for one in told.attempts]
            return ShareLiveWork(
                project_id=project_id,
                agent_id=agent_id,
                present=tuple(
                    _live_work(one, task, agent_id)
                    for one, task in own
                    if task is not None and _is_run_by(task, one, project_id, agent_id)
                ),
                over=frozenset((row.task_id, row.fence) for row in rows if not runs(row, tasks)),
            )

        others = await self._store.apply(await self._store.read(reading))
        return wire.LiveReply(
            others=tuple(
                wire.OtherAttempt(
                    task_id=row.task_id, attempt=row.attempt, commit=row.commit if row.is_published else ""
                )
                for row in others
            )
        )

    async def note(self, told: wire.Overlaps, *, agent_id: str) -> int:
        """Keep what a worker found; how many pairs changed by that. What is not its agent's to say is passed over."""
        project_id = told.project_id.lower()
        found = tuple(self._found(one) for one in told.overlaps)
        tasks = {task_id for one in found for task_id in (one.task_id, one.other_task_id)}

        def reading(queries: Queries) -> dict[str, str]:
            rows = queries.scan(LIVE_WORK, project_id, limit=MOST_AT_PROJECT)
            return names_of(queries, (row.agent_id for row in rows if row.task_id in tasks))

        return await self._store.apply(
            NoteOverlaps(
                project_id=project_id,
                agent_id=agent_id,
                found=found,
                names=await self._store.read(reading),
                message_ids={task_id: new_id() for task_id in sorted(tasks)},
            )
        )

    def _found(self, one: wire.Overlap) -> FoundOverlap:
        names = dict.fromkeys(self._redactor.text(name.replace("\x00", "\ufffd"))[:PATH_CHARS] for name in one.files)
        return FoundOverlap(
            task_id=one.task_id.lower(),
            fence=one.fence,
            other_task_id=one.other_task_id.lower(),
            other_attempt=one.other_attempt,
            files=tuple(names),
            more=one.more,
        )


def _is_run_by(task: TaskRecord, one: wire.LiveAttempt, project_id: str, agent_id: str) -> bool:
    state = task.state
    is_current = state.is_held and (state.fence, state.attempt) == (one.fence, one.attempt)
    return is_current and state.agent_id == agent_id and task.spec.project_id == project_id


def _live_work(one: wire.LiveAttempt, task: TaskRecord, agent_id: str) -> LiveWork:
    return LiveWork(
        project_id=task.spec.project_id or "",
        task_id=task.spec.id,
        attempt=one.attempt,
        fence=one.fence,
        agent_id=agent_id,
        commit=one.commit,
        is_published=one.published,
    )
