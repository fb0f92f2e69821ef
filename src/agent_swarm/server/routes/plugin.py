"""`/swarms`, `/projects` and `/agents/{sandboxId}`: the routes of the Swarm plugin, over the services behind `/api`."""

from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.swarms import NAME_CHARS
from agent_swarm.protocol import limits, rest
from agent_swarm.protocol import rest_plugin as shapes
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators, operators_and_attempts
from agent_swarm.server.auth import bearer_token
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import Reply, route
from agent_swarm.server.repeating import REPLAYED, idempotency_of
from agent_swarm.services.plugin.board import Board
from agent_swarm.services.plugin.chat import Chat
from agent_swarm.services.plugin.copies import Action, Copies
from agent_swarm.services.plugin.members import Members
from agent_swarm.services.plugin.swarms import PluginSwarms
from agent_swarm.services.tokens import Scope

Swarm = Annotated[
    rest.Text, Path(alias="idOrName", max_length=NAME_CHARS, description="the id of a swarm, or its name")
]
Project = Annotated[
    rest.Text, Path(alias="idOrName", max_length=limits.LABEL_CHARS, description="the id of a project, or its name")
]
TaskId = Annotated[str, Path(alias="taskId", json_schema_extra={"format": "uuid"})]
SandboxId = Annotated[
    str, Path(alias="sandboxId", json_schema_extra={"format": "uuid"}, description="the id of the agent")
]
Since = Annotated[rest.Text | None, Query(max_length=64, description="RFC 3339; nothing from before")]
CHAT_BYTES = 1024 * 1024


class PluginSwarmRoutes:
    """Swarms, their tasks and their chat: parses, calls `services.plugin`, renders."""

    def __init__(self, context: Context) -> None:
        self._swarms = PluginSwarms(context.store)
        self._board = Board(context.store, context.rules)
        self._chat = Chat(context.store, context.messages)

    async def plugin_list_swarms(
        self, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> shapes.PluginSwarmPage:
        """The swarms, by name."""
        return await self._swarms.page(cursor=cursor, limit=limit)

    async def plugin_create_swarm(self, request: Request, body: shapes.PluginSwarmInput) -> shapes.PluginSwarm:
        """Make a swarm."""
        return await self._swarms.create(body, by=identity_of(request))

    async def plugin_get_swarm(self, id_or_name: Swarm) -> shapes.PluginSwarm:
        """One swarm."""
        return await self._swarms.get(id_or_name)

    async def plugin_delete_swarm(self, request: Request, id_or_name: Swarm) -> shapes.PluginSwarm:
        """Cancel the tasks of a swarm, let its sandboxes go, and have it be no more."""
        return await self._swarms.delete(id_or_name, by=identity_of(request))

    async def plugin_get_status(self, id_or_name: Swarm) -> shapes.PluginStatus:
        """A swarm at a glance: agents, tasks by status, the last messages, the project."""
        return await self._swarms.status(id_or_name)

    async def plugin_list_tasks(
        self,
        id_or_name: Swarm,
        status: params.StatusList = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> shapes.PluginTaskPage:
        """The tasks of a swarm that are not archived, newest first."""
        return await self._board.page(id_or_name, statuses=params.statuses(status), cursor=cursor, limit=limit)

    async def plugin_create_task(
        self,
        request: Request,
        id_or_name: Swarm,
        body: shapes.PluginTaskInput,
        idempotency_key: params.IdempotencyKey = None,
    ) -> Reply[shapes.PluginTask]:
        """File a task; an idle agent that fits takes it at once."""
        by = identity_of(request)
        asked = await idempotency_of(request, by, idempotency_key)
        filed, replayed = await self._board.file(id_or_name, body, by=by, idempotency=asked)
        return Reply(filed, REPLAYED if replayed else {})

    async def plugin_update_task(
        self, request: Request, id_or_name: Swarm, task_id: TaskId, body: shapes.PluginTaskPatch
    ) -> shapes.PluginTask:
        """Change a task that waits; a status is a command, or refused with 409."""
        return await self._board.put(id_or_name, params.task_id(task_id), body, by=identity_of(request))

    async def plugin_delete_task(self, request: Request, id_or_name: Swarm, task_id: TaskId) -> shapes.PluginTask:
        """Cancel a task, stop its attempt, and archive it."""
        return await self._board.delete(id_or_name, params.task_id(task_id), by=identity_of(request))

    async def plugin_list_chat(
        self,
        request: Request,
        id_or_name: Swarm,
        since: Since = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> shapes.PluginMessagePage:
        """The chat of a swarm, newest first."""
        by = identity_of(request)
        return await self._chat.page(id_or_name, since=since, cursor=cursor, limit=limit, by=by)

    async def plugin_post_chat(
        self,
        request: Request,
        id_or_name: Swarm,
        body: shapes.PluginMessageInput,
        idempotency_key: params.IdempotencyKey = None,
    ) -> Reply[shapes.PluginPosted]:
        """Say something to a swarm; an idle agent that is mentioned wakes up."""
        by = identity_of(request)
        asked = await idempotency_of(request, by, idempotency_key)
        posted, replayed = await self._chat.post(id_or_name, body, by=by, idempotency=asked)
        return Reply(posted, REPLAYED if replayed else {})


class PluginSandboxRoutes:
    """Sandboxes, which are agents, and the projects in them: parses, calls `services.plugin`, renders."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._copies = Copies(context.store)

    async def plugin_list_agents(
        self, id_or_name: Swarm, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> shapes.PluginAgentPage:
        """The agents of a swarm, by name."""
        return await self._of_context().page(id_or_name, cursor=cursor, limit=limit)

    async def plugin_register_agent(
        self, request: Request, id_or_name: Swarm, body: shapes.PluginAgentInput
    ) -> shapes.PluginAgent:
        """Have an agent join a swarm; one that is not there yet is introduced."""
        return await self._members(request).register(id_or_name, body, by=identity_of(request))

    async def plugin_update_agent(
        self, request: Request, sandbox_id: SandboxId, body: shapes.PluginAgentPatch
    ) -> shapes.PluginAgent:
        """Say something else of an agent; a status stops or starts it."""
        return await self._members(request).put(params.agent_id(sandbox_id), body, by=identity_of(request))

    async def plugin_list_projects(
        self, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> shapes.PluginProjectPage:
        """The projects, by name."""
        return await self._copies.page(cursor=cursor, limit=limit)

    async def plugin_create_project(self, request: Request, body: shapes.PluginProjectInput) -> shapes.PluginProject:
        """Add a repository, and give it to a swarm; the same again answers the same project."""
        return await self._copies.create(body, by=identity_of(request))

    async def plugin_get_project(self, id_or_name: Swarm) -> shapes.PluginSwarmProject:
        """The project of a swarm, and how its copies in the sandboxes stand."""
        return await self._copies.of_swarm(id_or_name)

    async def plugin_init_project(
        self, request: Request, id_or_name: Project, body: shapes.PluginSyncInput | None = None
    ) -> shapes.PluginSyncReport:
        """Have every sandbox make its copy of a project; one that has it brings it up to date."""
        return await self._brought(request, id_or_name, "init", body)

    async def plugin_sync_project(
        self, request: Request, id_or_name: Project, body: shapes.PluginSyncInput | None = None
    ) -> shapes.PluginSyncReport:
        """Have every sandbox fetch what a project has now; nothing that an agent works on is touched."""
        return await self._brought(request, id_or_name, "sync", body)

    async def _brought(
        self, request: Request, named: str, action: Action, body: shapes.PluginSyncInput | None
    ) -> shapes.PluginSyncReport:
        wanted = body or shapes.PluginSyncInput()
        return await self._copies.bring_up_to_date(named, action, wanted, by=identity_of(request))

    def _of_context(self) -> Members:
        return Members(self._context.store, self._context.redactor, self._context.rules)

    def _members(self, request: Request) -> Members:
        """The agents, with the token of this request kept out of what is stored."""
        redactor = self._context.redactor.also(bearer_token(request.scope))
        return Members(self._context.store, redactor, self._context.rules)


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    return [*_of_swarms(context), *_of_sandboxes(context)]


def _of_swarms(context: Context) -> list[BaseRoute]:
    face = PluginSwarmRoutes(context)
    reading, writing = operators(Scope.SWARMS_READ), operators(Scope.SWARMS_WRITE)
    filing = operators(Scope.TASKS_WRITE)
    hearing = operators_and_attempts(Scope.MESSAGES_READ, Scope.OWN_MESSAGES)
    saying = operators_and_attempts(Scope.MESSAGES_WRITE, Scope.OWN_MESSAGES)
    one, swarm, task = "/swarms/{idOrName}", shapes.PluginSwarm, shapes.PluginTask
    chat, tasks = f"{one}/chat", f"{one}/tasks"
    of_task = f"{tasks}/{{taskId}}"
    return [
        route("GET", "/swarms", face.plugin_list_swarms, answers=shapes.PluginSwarmPage, access=reading),
        route("POST", "/swarms", face.plugin_create_swarm, answers=swarm, status=201, access=writing, conflicts=True),
        route("GET", one, face.plugin_get_swarm, answers=swarm, access=reading),
        route("DELETE", one, face.plugin_delete_swarm, answers=swarm, access=writing, conflicts=True),
        route("GET", f"{one}/status", face.plugin_get_status, answers=shapes.PluginStatus, access=reading),
        route("GET", tasks, face.plugin_list_tasks, answers=shapes.PluginTaskPage, access=reading),
        route("POST", tasks, face.plugin_create_task, answers=task, status=201, access=filing, conflicts=True),
        route("PUT", of_task, face.plugin_update_task, answers=task, access=filing, conflicts=True),
        route("DELETE", of_task, face.plugin_delete_task, answers=task, access=filing, conflicts=True),
        route("GET", chat, face.plugin_list_chat, answers=shapes.PluginMessagePage, access=hearing),
        route(
            "POST",
            chat,
            face.plugin_post_chat,
            answers=shapes.PluginPosted,
            status=201,
            access=saying,
            conflicts=True,
            body_limit=CHAT_BYTES,
        ),
    ]


def _of_sandboxes(context: Context) -> list[BaseRoute]:
    face = PluginSandboxRoutes(context)
    writing, agents = operators(Scope.AGENTS_WRITE), "/swarms/{idOrName}/agents"
    agent, report = shapes.PluginAgent, shapes.PluginSyncReport
    reading, changing = operators(Scope.PROJECTS_READ), operators(Scope.PROJECTS_WRITE)
    one = "/projects/{idOrName}"
    return [
        route(
            "GET",
            agents,
            face.plugin_list_agents,
            answers=shapes.PluginAgentPage,
            access=operators(Scope.AGENTS_READ),
        ),
        route("POST", agents, face.plugin_register_agent, answers=agent, status=201, access=writing, conflicts=True),
        route("PUT", "/agents/{sandboxId}", face.plugin_update_agent, answers=agent, access=writing, conflicts=True),
        route("GET", "/projects", face.plugin_list_projects, answers=shapes.PluginProjectPage, access=reading),
        route(
            "POST",
            "/projects",
            face.plugin_create_project,
            answers=shapes.PluginProject,
            status=201,
            access=changing,
            conflicts=True,
        ),
        route(
            "GET",
            "/swarms/{idOrName}/project",
            face.plugin_get_project,
            answers=shapes.PluginSwarmProject,
            access=reading,
        ),
        route("POST", f"{one}/init", face.plugin_init_project, answers=report, access=changing, conflicts=True),
        route("POST", f"{one}/sync", face.plugin_sync_project, answers=report, access=changing, conflicts=True),
    ]
