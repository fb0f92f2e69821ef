"""`/api/kill-switch`: stop everything, see that it is stopped, let it go on."""

from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.protocol import rest
from agent_swarm.server.access import identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services import kill_switch
from agent_swarm.services.tokens import Scope
from agent_swarm.store.operations import SwitchReply


class KillSwitchRoutes:
    """Parses, calls `services.kill_switch`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._redactor = context.redactor

    async def use_kill_switch(
        self, request: Request, body: rest.KillSwitchInput | None = None
    ) -> rest.KillSwitchAnswer:
        """Stop everything, one swarm or one agent; or let it go on. Without a body it stops everything."""
        asked, by = body or rest.KillSwitchInput(), identity_of(request)
        what = await self._store.read(kill_switch.covered(asked))
        reply: SwitchReply
        if asked.action == "activate":
            reply = await self._store.apply(kill_switch.activate(asked, what, self._redactor, by=by))
        else:
            reply = await self._store.apply(kill_switch.lift(asked, what, by=by))
        return await self._store.read(kill_switch.answer(reply))

    async def get_kill_switch(self) -> rest.KillSwitch:
        """How the switch stands."""
        return await self._store.read(kill_switch.state())


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face, path = KillSwitchRoutes(context), "/api/kill-switch"
    using = operators(Scope.KILL_SWITCH_WRITE).also_while_killed()
    return [
        route("POST", path, face.use_kill_switch, answers=rest.KillSwitchAnswer, access=using),
        route("GET", path, face.get_kill_switch, answers=rest.KillSwitch, access=operators(Scope.KILL_SWITCH_READ)),
    ]
