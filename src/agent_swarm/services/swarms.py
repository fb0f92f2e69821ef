"""Swarms: make them, look at them, pause and delete them; agents join and leave."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from agent_swarm.domain import swarms
from agent_swarm.domain.errors import IllegalTransition, UnknownReference
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.kill_switch import SwitchScope
from agent_swarm.domain.swarms import Swarm, SwarmChange
from agent_swarm.domain.tasks import OPEN, TaskStatus
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import limits
from agent_swarm.protocol import rest_swarms as rest
from agent_swarm.services import commands, cursors, views
from agent_swarm.services.agents import held_by_agent, require_agent
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.rests import resting
from agent_swarm.store.families.swarms import SWARM_NAMES, SWARMS, swarm_named, unknown_swarm
from agent_swarm.store.families.switches import killed_switches
from agent_swarm.store.operations import ChangeSwarm, CreateSwarm, DeleteSwarm, SetSwarmMember
from agent_swarm.store.records import TaskFilter

_ROUNDS = 1_000  # of cancelling a page of tasks, before who files them faster than that is told of


class Swarms:
    """The swarms of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, wanted: rest.SwarmInput, *, by: Identity) -> rest.Swarm:
        """Make a swarm. Raises InvalidInput, UnknownReference for its project, AlreadyExists."""
        name = swarms.require_name(wanted.name)
        project_id = await self._project(wanted.project)
        return view(await self._store.apply(CreateSwarm(name=name, project_id=project_id, actor=by.actor)))

    async def page(self, *, cursor: str | None, limit: int) -> rest.SwarmPage:
        """A page of the swarms that are there, by name."""
        after = cursors.read_words(cursor, 1)

        def reading(queries: Queries) -> rest.SwarmPage:
            found = queries.scan(SWARM_NAMES, after=after, limit=limit + 1)
            shown, following = cursors.page(found, limit, lambda one: cursors.after_words(one.name))
            known = [swarm for one in shown if (swarm := queries.record(SWARMS, one.swarm_id)) is not None]
            return rest.SwarmPage(swarms=[view(swarm) for swarm in known], next_cursor=following)

        return await self._store.read(reading)

    async def get(self, named: str) -> rest.Swarm:
        """A swarm by its id, also one that was deleted, or by its name. Raises NotFound."""
        return view(await self._store.read(_find(named)))

    async def change(self, named: str, wanted: rest.SwarmPatch, *, by: Identity) -> rest.Swarm:
        """Pause it, have it go on, or give it another project. Raises NotFound, UnknownReference."""
        swarm = await self._store.read(_find(named))
        project_id = None
        if "project" in wanted.model_fields_set:
            project_id = await self._project(wanted.project) or ""
        paused = None if wanted.status is None else wanted.status == "paused"
        change = SwarmChange(paused=paused, project_id=project_id)
        return view(await self._store.apply(ChangeSwarm(swarm_id=swarm.id, change=change, actor=by.actor)))

    async def set_member(self, named: str, agent: str, *, joins: bool, by: Identity) -> rest.SwarmMembership:
        """Have an agent join, out of the swarm that it is in, or leave. Raises NotFound, Conflict, Killed."""

        def reading(queries: Queries) -> tuple[Swarm, str]:
            return _find(named)(queries), require_agent(queries, agent).profile.id

        swarm, agent_id = await self._store.read(reading)
        asked = SetSwarmMember(swarm_id=swarm.id, agent_id=agent_id, joins=joins, actor=by.actor)
        changed = await self._store.apply(asked)
        return rest.SwarmMembership(swarm_id=swarm.id, agent_id=agent_id, is_member=joins, changed=changed)

    async def delete(self, named: str, *, cancel_tasks: bool, by: Identity) -> rest.Swarm:
        """Have it be no more, with `cancel_tasks` also what is still to be done in it.

        Raises NotFound, Conflict while it has tasks that have not ended, Killed.
        """
        swarm = await self._store.read(_find(named))
        for _ in range(_ROUNDS if cancel_tasks else 0):
            still_open = await self._store.read(lambda queries: _open_tasks(queries, swarm))
            if not still_open:
                break
            await asyncio.gather(*(self._cancel(task_id, swarm, by) for task_id in still_open))
        return view(await self._store.apply(DeleteSwarm(swarm_id=swarm.id, actor=by.actor)))

    async def state(self, named: str) -> rest.SwarmState:
        """A swarm, its tasks by status, and its agents. Raises NotFound."""
        now = self._store.now()
        return await self._store.read(lambda queries: _state(queries, _find(named)(queries), now))

    async def _cancel(self, task_id: str, swarm: Swarm, by: Identity) -> None:
        with suppress(IllegalTransition):  # it has ended
            await self._store.apply(commands.cancel(task_id, f"swarm {swarm.name} was deleted", by=by))

    async def _project(self, named: str | None) -> str | None:
        if named is None:
            return None
        found = await self._store.read(lambda queries: queries.project(normalize_id(named) or named))
        if found is None:
            raise UnknownReference(
                f"project names {named!r}, which does not exist",
                hint="list projects with: agent-swarm repo list",
                details={"field": "project", "value": named},
            )
        return found.id


def view(swarm: Swarm) -> rest.Swarm:
    """A swarm, as people see it."""
    return rest.Swarm(
        id=swarm.id,
        name=swarm.name,
        status=swarm.status.value,
        project_id=swarm.project_id,
        created_by=swarm.created_by,
        created_at=to_wire(swarm.created_at),
        deleted_at=None if swarm.deleted_at is None else to_wire(swarm.deleted_at),
    )


def _find(named: str) -> Callable[[Queries], Swarm]:
    def reading(queries: Queries) -> Swarm:
        found = swarm_named(queries, named)
        if found is None:
            raise unknown_swarm(named)
        return found

    return reading


def _open_tasks(queries: Queries, swarm: Swarm) -> list[str]:
    wanted = TaskFilter(statuses=OPEN, swarm_id=swarm.id)
    return [record.spec.id for record in queries.list_tasks(wanted, after=None, limit=limits.PAGE_MAX)]


def _state(queries: Queries, swarm: Swarm, now: int) -> rest.SwarmState:
    holds, rests = held_by_agent(queries.held_tasks()), resting(queries, now)
    members = queries.agents(swarm_id=swarm.id)
    agents = [views.agent(one, holds.get(one.profile.id, ()), rests, now=now) for one in members]
    counts = queries.counts(swarm.id)
    covering = {(SwitchScope.ALL, ""), (SwitchScope.SWARM, swarm.id)}
    return rest.SwarmState(
        swarm=view(swarm),
        killed=any((switch.scope, switch.scope_id) in covering for switch in killed_switches(queries)),
        tasks={status.value: counts.get(status, 0) for status in TaskStatus},
        agent_counts={status: sum(one.status == status for one in agents) for status in ("idle", "busy", "offline")},
        agents=agents[: limits.PAGE_MAX],
    )
