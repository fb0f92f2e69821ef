"""`/api/users`: who may log in, for admins."""

from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.protocol import auth, limits
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.problems import shown
from agent_swarm.services import passwords, users
from agent_swarm.services.tokens import Scope
from agent_swarm.store.families.users import unknown_user


class UserRoutes:
    """Parses, calls `services.users`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._hash = context.logins.hash

    async def create_user(self, request: Request, body: auth.UserInput) -> auth.User:
        """Add a user."""
        name = users.user_name(body.name)
        hashed = await self._hash(passwords.checked(body.password, user_name=name))
        made = await self._store.apply(users.create_user(name, body.role, hashed, by=identity_of(request)))
        return users.user_view(made)

    async def list_users(
        self, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> auth.UserList:
        """The users, by name."""
        return await self._store.read(users.list_users(cursor=cursor, limit=limit))

    async def get_user(self, name: params.PathName) -> auth.User:
        """One user."""
        return await self._store.read(users.get_user(_named(name)))

    async def update_user(self, request: Request, name: params.PathName, body: auth.UserPatch) -> auth.User:
        """Give a user another role or password, or take away the right to log in; sessions end where that matters."""
        user = _named(name)
        hashed = None
        if body.password is not None:
            await self._store.read(users.get_user(user))  # before the work
            hashed = await self._hash(passwords.checked(body.password, user_name=user))
        changed = await self._store.apply(
            users.change_user(
                user, role=body.role, password_hash=hashed, disabled=body.disabled, by=identity_of(request)
            )
        )
        return users.user_view(changed)

    async def delete_user(self, request: Request, name: params.PathName) -> auth.User:
        """Remove a user and end all sessions; answers the user that was."""
        return users.user_view(await self._store.apply(users.remove_user(_named(name), by=identity_of(request))))


def _named(text: str) -> str:
    """The user in a path; raises NotFound for text that cannot be one."""
    try:
        return users.user_name(text)
    except InvalidInput:
        raise unknown_user(shown(text, limit=64)) from None


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = UserRoutes(context)
    admins = operators(Scope.USERS_ADMIN)
    one = "/api/users/{name}"
    return [
        route("POST", "/api/users", face.create_user, answers=auth.User, status=201, access=admins, conflicts=True),
        route("GET", "/api/users", face.list_users, answers=auth.UserList, access=admins),
        route("GET", one, face.get_user, answers=auth.User, access=admins),
        route("PATCH", one, face.update_user, answers=auth.User, access=admins),
        route("DELETE", one, face.delete_user, answers=auth.User, access=admins),
    ]
