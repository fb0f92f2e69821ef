"""Which running attempts would not merge, for people: the list, and what an explanation says of one task.

Records of attempts that have ended are left out, whoever has yet to remove them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent_swarm.domain.overlaps import MOST_AT_PROJECT, Overlap
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol.limits import PAGE_MAX
from agent_swarm.protocol.rest_radar import Conflict, ConflictPage, ConflictSide
from agent_swarm.services import cursors
from agent_swarm.services.projects import require_project
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.live_work import LIVE_WORK, LiveWork
from agent_swarm.store.records import TaskRecord


@dataclass(frozen=True, slots=True)
class _Pair:
    one: LiveWork
    other: LiveWork
    entry: Mapping[str, Any]  # of the overlaps of `one`

    @property
    def place(self) -> tuple[str, str, str]:
        return self.one.project_id, self.one.task_id, self.other.task_id


async def page(store: Store, project: str | None, *, cursor: str | None, limit: int) -> ConflictPage:
    """The overlaps of attempts that run now, of one project, by id or name, or of all. Raises NotFound."""
    after = cursors.read_words(cursor, 3)

    def reading(queries: Queries) -> ConflictPage:
        project_id = None if project is None else require_project(queries, project).id
        found: list[_Pair] = []
        for pair in _pairs(queries, project_id, after):
            found.append(pair)
            if len(found) > limit:
                break
        shown, following = cursors.page(found, limit, lambda one: cursors.after_words(*one.place))
        return ConflictPage(conflicts=[_conflict(queries, pair) for pair in shown], next_cursor=following)

    return await store.read(reading)


def overlaps_of(queries: Queries, task: TaskRecord) -> list[Overlap]:
    """With whom the running attempt at a task would not merge, the oldest overlap first."""
    project_id = task.spec.project_id
    if project_id is None or not task.state.is_held:
        return []
    rows = {row.task_id: row for row in queries.scan(LIVE_WORK, project_id, limit=MOST_AT_PROJECT)}
    own = rows.get(task.spec.id)
    if own is None or own.fence != task.state.fence:
        return []
    found = [(rows[entry["taskId"]], entry) for entry in own.overlaps if entry["taskId"] in rows]
    found += [(row, entry) for row in rows.values() for entry in row.overlaps if entry["taskId"] == own.task_id]
    tasks = tasks_of(queries, (other.task_id for other, _ in found))
    present = [(other, entry) for other, entry in found if runs(other, tasks)]
    names = names_of(queries, (other.agent_id for other, _ in present))
    overlaps = [
        Overlap(
            task_id=other.task_id,
            attempt=other.attempt,
            agent_id=other.agent_id,
            agent=names[other.agent_id],
            files=tuple(entry["files"]),
            more=entry["more"],
            since=entry["since"],
        )
        for other, entry in present
    ]
    return sorted(overlaps, key=lambda one: (one.since, one.task_id))


def tasks_of(queries: Queries, task_ids: Iterable[str]) -> dict[str, TaskRecord]:
    """Those tasks that there are, by id."""
    return {task.spec.id: task for task in queries.tasks(sorted(set(task_ids)))}


def names_of(queries: Queries, agent_ids: Iterable[str]) -> dict[str, str]:
    """The names of agents, by id."""
    agents = {agent_id: queries.agent(agent_id) for agent_id in sorted(set(agent_ids))}
    return {agent_id: agent.name if agent is not None else agent_id for agent_id, agent in agents.items()}


def runs(row: LiveWork, tasks: Mapping[str, TaskRecord]) -> bool:
    """Whether the attempt of a record goes on; one that was over is over for good."""
    task = tasks.get(row.task_id)
    return task is not None and task.state.is_held and task.state.fence == row.fence


def _pairs(queries: Queries, project_id: str | None, after: tuple[str, ...] | None) -> Iterator[_Pair]:
    """Those that are behind `after`, by project and tasks."""
    prefix = () if project_id is None else (project_id,)
    if after is not None and (begun := queries.record(LIVE_WORK, after[0], after[1])) is not None:
        yield from (pair for pair in _pairs_of(queries, [begun]) if pair.other.task_id > after[2])
    place = None if after is None else after[len(prefix) : 2]
    while rows := queries.scan(LIVE_WORK, *prefix, after=place, limit=PAGE_MAX):
        yield from _pairs_of(queries, rows)
        place = (rows[-1].project_id, rows[-1].task_id)[len(prefix) :]


def _pairs_of(queries: Queries, rows: Iterable[LiveWork]) -> Iterator[_Pair]:
    pairs = [
        _Pair(row, other, entry)
        for row in rows
        for entry in row.overlaps
        if (other := queries.record(LIVE_WORK, row.project_id, entry["taskId"])) is not None
    ]
    tasks = tasks_of(queries, (side.task_id for pair in pairs for side in (pair.one, pair.other)))
    return (pair for pair in pairs if runs(pair.one, tasks) and runs(pair.other, tasks))


def _conflict(queries: Queries, pair: _Pair) -> Conflict:
    project = queries.project(pair.one.project_id)
    sides = (pair.one, pair.other)
    tasks, names = tasks_of(queries, (side.task_id for side in sides)), names_of(queries, (s.agent_id for s in sides))
    return Conflict(
        id=f"{pair.one.task_id}:{pair.other.task_id}",
        project_id=pair.one.project_id,
        project_name=project.name if project is not None else "",
        since=to_wire(pair.entry["since"]),
        files=list(pair.entry["files"]),
        more=pair.entry["more"],
        attempts=[
            ConflictSide(
                task_id=side.task_id,
                title=tasks[side.task_id].spec.title,
                attempt=side.attempt,
                agent_id=side.agent_id,
                agent_name=names[side.agent_id],
            )
            for side in sides
        ],
    )
