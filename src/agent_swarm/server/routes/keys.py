"""`/api/keys`: the keys that secrets are encrypted with. What is shown are ids; no key leaves the server."""

from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.protocol import limits, rest_config
from agent_swarm.server.access import identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.params import NoFields
from agent_swarm.services import views
from agent_swarm.services.tokens import Scope
from agent_swarm.vault.keys import parse_key


class KeyRoutes:
    """Parses, calls `services.secrets.rotation`, renders."""

    def __init__(self, context: Context) -> None:
        self._changes = context.key_changes

    async def get_keys(self) -> rest_config.KeyStatus:
        """The keys, by their ids, and whether they are being changed."""
        return views.key_status(await self._changes.status())

    async def rotate_master_key(self, request: Request, body: rest_config.RotateInput) -> rest_config.KeyStatus:
        """Change the master key, the data key, or both; the answer says what is left to do."""
        if not body.master_key and (body.new_key is not None or not body.data_key):
            raise InvalidInput("nothing to change: masterKey is false", hint="set dataKey, or leave masterKey out")
        new = None if body.new_key is None else parse_key(body.new_key, place="newKey")
        actor = identity_of(request).actor
        await self._changes.rotate(new, master=body.master_key, values=body.data_key, actor=actor)
        return views.key_status(await self._changes.status())

    async def finish_rotation(self, request: Request, body: NoFields | None = None) -> rest_config.KeyStatus:
        """End the change of the master key, once every server has the new one."""
        await self._changes.finish(actor=identity_of(request).actor)
        return views.key_status(await self._changes.status())

    async def give_up_rotation(self, request: Request, body: NoFields | None = None) -> rest_config.KeyStatus:
        """Stay with the master key so far."""
        await self._changes.give_up(actor=identity_of(request).actor)
        return views.key_status(await self._changes.status())

    async def verify_keys(self, body: NoFields | None = None) -> rest_config.KeyReport:
        """Open everything that is encrypted, and tell what cannot be."""
        return views.key_report(await self._changes.verify(), limit=limits.PAGE_MAX)


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = KeyRoutes(context)
    admin = operators(Scope.CONFIG_ADMIN)
    status, report = rest_config.KeyStatus, rest_config.KeyReport
    reading = operators(Scope.CONFIG_READ)
    return [
        route("GET", "/api/keys", face.get_keys, answers=status, access=reading, conflicts=True),
        route("POST", "/api/keys/rotate", face.rotate_master_key, answers=status, access=admin, conflicts=True),
        route("POST", "/api/keys/finish", face.finish_rotation, answers=status, access=admin, conflicts=True),
        route("POST", "/api/keys/give-up", face.give_up_rotation, answers=status, access=admin, conflicts=True),
        route("POST", "/api/keys/verify", face.verify_keys, answers=report, access=admin, conflicts=True),
    ]
