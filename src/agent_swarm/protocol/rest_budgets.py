"""The REST shapes of budgets and of reports about costs. Money is in US dollars here, exact to a millionth."""

from typing import Annotated, Literal

from pydantic import Field

from agent_swarm.domain.budgets import DOLLAR, MOST_AT_ONCE, MOST_ATTEMPTS, MOST_MICROS, MOST_TOKENS, NAME_CHARS
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Input, Label, Output, Text, at_most

Usd = Annotated[float, Field(gt=0, le=MOST_MICROS / DOLLAR)]
Tokens = Annotated[int, Field(ge=1, le=MOST_TOKENS, strict=True)]
Attempts = Annotated[int, Field(ge=1, le=MOST_ATTEMPTS, strict=True)]
AtOnce = Annotated[int, Field(ge=1, le=MOST_AT_ONCE, strict=True)]
Name = Annotated[Text, Field(min_length=1, max_length=NAME_CHARS)]
ScopeWord = Literal["task", "root", "agent", "project", "swarm", "all"]
ActionWord = Literal["pause", "refuse"]


class BudgetInput(Input):
    """Body of `POST /api/budgets`; at least one of the caps."""

    name: Name | None = None  # default: what it is for
    scope: ScopeWord
    scope_id: Label | None = None  # id, or name of an agent, a project or a swarm; none for all
    period: Literal["total", "day"] = "total"
    time_zone: Label = "UTC"  # whose midnights are the ends of days
    cap_usd: Usd | None = None
    cap_tokens: Tokens | None = None
    cap_attempts: Attempts | None = None  # how many may begin
    cap_at_once: AtOnce | None = None  # how many may be under way; what is beyond waits in order
    estimate_usd: Usd | None = None  # what one attempt is expected to cost; default: a setting of the server
    estimate_tokens: Tokens | None = None
    action: ActionWord = "pause"
    enabled: bool = True


class BudgetPatch(Input):
    """Body of `PATCH /api/budgets/{idOrName}`; what is left out stays, null takes a cap or an estimate away."""

    name: Name | None = None
    cap_usd: Usd | None = None
    cap_tokens: Tokens | None = None
    cap_attempts: Attempts | None = None
    cap_at_once: AtOnce | None = None
    estimate_usd: Usd | None = None
    estimate_tokens: Tokens | None = None
    action: ActionWord | None = None
    enabled: bool | None = None


class Budget(Output):
    """A budget and where it stands. `extra*` is what a person has added for this period."""

    id: str
    name: str
    scope: ScopeWord
    scope_id: str | None
    period: Literal["total", "day"]
    time_zone: str
    cap_usd: float | None
    cap_tokens: int | None
    cap_attempts: int | None
    cap_at_once: int | None
    extra_usd: float
    extra_tokens: int
    extra_attempts: int
    estimate_usd: float | None
    estimate_tokens: int | None
    action: ActionWord
    enabled: bool
    status: Literal["open", "full", "reached", "waived", "denied", "off"]
    spent_usd: float
    spent_tokens: int
    reserved_usd: float
    reserved_tokens: int
    left_usd: float | None
    left_tokens: int | None
    attempts: int  # that have begun since `since`
    left_attempts: int | None
    at_once: int  # attempts under way
    refused: int  # how many attempts found no room
    since: str
    renews_at: str | None
    reached_at: str | None
    approval_id: str | None  # the question to people about it, while it is open or its answer counts
    created_by: str
    created_at: str


class BudgetPage(Output):
    """Some of the budgets, the oldest first."""

    budgets: Annotated[list[Budget], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class CostRow(Output):
    """What one task, agent, project, swarm, model or day has cost, and what budgets said of it.

    What a model is asked for by name counts for `reserved*` and `refused` of that model, and nothing else does.
    """

    key: str | None  # its id, the name of a model, or a day of UTC
    name: str | None
    attempts: int  # that have used something
    input_tokens: int
    output_tokens: int
    cost_usd: float
    reserved_usd: float  # by attempts as they began, whether it was used or given back
    reserved_tokens: int
    refused: int  # how often an attempt found no room


class CostReport(Output):
    """`GET /api/reports/costs`: what was booked from `since` until before `until`, the most expensive first."""

    by: Literal["task", "root", "agent", "project", "swarm", "model", "day"]
    since: str | None
    until: str | None
    rows: Annotated[list[CostRow], at_most(limits.PAGE_MAX)]
    has_more: bool
