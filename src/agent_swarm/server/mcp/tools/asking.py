"""What agents ask people."""

from typing import Annotated

from pydantic import Field

from agent_swarm.domain.approvals import ApprovalStatus
from agent_swarm.protocol import rest, rest_approvals
from agent_swarm.server.access import attempts, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.server.mcp.tools.arguments import OnceOnly
from agent_swarm.server.mcp.waiting import LONGEST_SECONDS, wait_until
from agent_swarm.services.tokens import Scope

_Wait = Annotated[float, Field(ge=0, le=LONGEST_SECONDS, description="wait this long for the answer")]


class RequestHumanInput(OnceOnly, rest_approvals.ApprovalInput):
    """Arguments of request-human-input."""

    wait_seconds: _Wait = 0


class GetHumanInput(rest.Input):
    """Arguments of get-human-input."""

    approval_id: rest.Id
    wait_seconds: _Wait = 0


class AskingTools:
    """Parses, calls `services.approvals`, renders."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._approvals = context.approvals

    async def ask(self, asked: RequestHumanInput, caller: Caller) -> rest_approvals.Approval:
        """Ask; with `pause` the run is interrupted after this."""
        question = rest_approvals.ApprovalInput.model_validate(
            asked.model_dump(exclude={"wait_seconds", "idempotency_key"}, by_alias=True)
        )
        made = await self._approvals.ask(question, key=asked.idempotency_key, by=caller.identity)
        return await self._settled(made.id, 0 if asked.pause else asked.wait_seconds, caller)

    async def get(self, asked: GetHumanInput, caller: Caller) -> rest_approvals.Approval:
        """What was answered, now or when it is."""
        return await self._settled(asked.approval_id, asked.wait_seconds, caller)

    async def _settled(self, approval_id: str, seconds: float, caller: Caller) -> rest_approvals.Approval:
        return await wait_until(
            self._context,
            lambda: self._approvals.get(approval_id, by=caller.identity),
            is_over=lambda approval: approval.status is not ApprovalStatus.OPEN,
            concerns=lambda event: event.type.startswith("approval."),
            standing=lambda approval: f"{approval.status.value}: {approval.title}",
            seconds=seconds,
            tell=caller.tell,
        )


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = AskingTools(context)
    return [
        Tool(
            name="request-human-input",
            description=(
                "Ask people: questions (yesNo, choice, text), or without questions for their approval. With `pause` "
                "your run stops here and goes on with the answer; else look with get-human-input. No answer in time "
                "means no."
            ),
            takes=RequestHumanInput,
            access=attempts(Scope.OWN_QUESTIONS),
            call=face.ask,
        ),
        Tool(
            name="get-human-input",
            description="What people answered to request-human-input.",
            takes=GetHumanInput,
            access=operators_and_attempts(Scope.APPROVALS_READ, Scope.OWN_QUESTIONS),
            call=face.get,
            is_reading=True,
        ),
    ]
