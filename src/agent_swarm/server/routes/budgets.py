"""`/api/budgets` and `/api/reports/costs`: what may be spent, and what was."""

from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.budgets import NAME_CHARS
from agent_swarm.protocol import limits, rest
from agent_swarm.protocol import rest_budgets as shapes
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services import costs
from agent_swarm.services.budgets import Budgets
from agent_swarm.services.tokens import Scope
from agent_swarm.store.records import CostBy

Named = Annotated[
    rest.Text, Path(alias="idOrName", max_length=NAME_CHARS, description="the id of a budget, or its name")
]
By = Annotated[CostBy, Query(description="what to add up by")]
Since = Annotated[rest.Text | None, Query(description="RFC 3339; booked then or later")]
Until = Annotated[rest.Text | None, Query(description="RFC 3339; booked before")]


class BudgetRoutes:
    """Parses, calls `services.budgets` and `services.costs`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._budgets = Budgets(context.store)

    async def create_budget(self, request: Request, body: shapes.BudgetInput) -> shapes.Budget:
        """Cap what may be spent."""
        return await self._budgets.create(body, by=identity_of(request))

    async def list_budgets(
        self, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> shapes.BudgetPage:
        """The budgets, the oldest first, with what is spent, reserved and was refused."""
        return await self._budgets.page(cursor=cursor, limit=limit)

    async def get_budget(self, id_or_name: Named) -> shapes.Budget:
        """One budget."""
        return await self._budgets.get(id_or_name)

    async def update_budget(self, request: Request, id_or_name: Named, body: shapes.BudgetPatch) -> shapes.Budget:
        """Give a budget another cap, estimate or action, or switch it off and on."""
        return await self._budgets.change(id_or_name, body, by=identity_of(request))

    async def delete_budget(self, request: Request, id_or_name: Named) -> shapes.Budget:
        """Have a budget be no more; who waits for room in it goes on."""
        return await self._budgets.remove(id_or_name, by=identity_of(request))

    async def report_costs(
        self,
        by: By = CostBy.TASK,
        since: Since = None,
        until: Until = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
    ) -> shapes.CostReport:
        """What work has reserved and cost, and how often it was refused, the most expensive first."""
        return await self._store.read(costs.report(by, since=since, until=until, limit=limit))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = BudgetRoutes(context)
    reading, writing = operators(Scope.BUDGETS_READ), operators(Scope.BUDGETS_WRITE)
    one, budget = "/api/budgets/{idOrName}", shapes.Budget
    return [
        route("POST", "/api/budgets", face.create_budget, answers=budget, status=201, access=writing, conflicts=True),
        route("GET", "/api/budgets", face.list_budgets, answers=shapes.BudgetPage, access=reading),
        route("GET", one, face.get_budget, answers=budget, access=reading),
        route("PATCH", one, face.update_budget, answers=budget, access=writing, conflicts=True),
        route("DELETE", one, face.delete_budget, answers=budget, access=writing, conflicts=True),
        route("GET", "/api/reports/costs", face.report_costs, answers=shapes.CostReport, access=reading),
    ]
