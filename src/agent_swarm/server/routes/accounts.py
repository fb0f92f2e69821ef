"""`/api/accounts`: accounts of agent CLIs, which the server refreshes and gives to attempts."""

from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.accounts import AccountKind
from agent_swarm.protocol import rest_accounts as rest
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services.tokens import Scope


class AccountRoutes:
    """Parses, calls `services.accounts`, renders."""

    def __init__(self, context: Context) -> None:
        self._accounts = context.accounts

    async def list_accounts(self) -> rest.AccountList:
        """Every account, without its tokens."""
        return await self._accounts.all()

    async def put_account(
        self, request: Request, kind: AccountKind, name: params.PathName, body: rest.AccountInput
    ) -> rest.Account:
        """Import the file of an agent CLI, in the place of what was there."""
        return await self._accounts.put(kind, name, body.file, actor=identity_of(request).actor)

    async def remove_account(self, request: Request, kind: AccountKind, name: params.PathName) -> rest.AccountList:
        """Forget an account; answers those that are left."""
        await self._accounts.remove(kind, name, actor=identity_of(request).actor)
        return await self._accounts.all()


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = AccountRoutes(context)
    reading, writing = operators(Scope.CONFIG_READ), operators(Scope.CONFIG_WRITE)
    one, path = rest.Account, "/api/accounts/{kind}/{name}"
    return [
        route("GET", "/api/accounts", face.list_accounts, answers=rest.AccountList, access=reading),
        route("PUT", path, face.put_account, answers=one, access=writing, conflicts=True),
        route("DELETE", path, face.remove_account, answers=rest.AccountList, access=writing),
    ]
