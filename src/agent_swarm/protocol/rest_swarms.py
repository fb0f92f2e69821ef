"""The REST shapes of swarms."""

from typing import Annotated, Literal

from pydantic import Field

from agent_swarm.domain.swarms import NAME_CHARS
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Agent, Input, Label, Output, Text, at_most


class SwarmInput(Input):
    """Body of `POST /api/swarms`."""

    name: Annotated[Text, Field(min_length=1, max_length=NAME_CHARS)]
    project: Label | None = None  # id or name; for tasks that name none


class SwarmPatch(Input):
    """Body of `PATCH /api/swarms/{id}`; what is left out stays as it is."""

    status: Literal["active", "paused"] | None = None
    project: Label | None = None  # null takes it away


class Swarm(Output):
    """A named group of agents and tasks."""

    id: str
    name: str
    status: Literal["active", "paused", "deleted"]
    project_id: str | None
    created_by: str
    created_at: str
    deleted_at: str | None


class SwarmPage(Output):
    """Some of the swarms that are there, by name."""

    swarms: Annotated[list[Swarm], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class SwarmMembership(Output):
    """Whether an agent is in a swarm, and whether that is news."""

    swarm_id: str
    agent_id: str
    is_member: bool
    changed: bool


class SwarmState(Output):
    """`GET /api/swarms/{id}/status`: a swarm, how many tasks it has of each status, and its agents."""

    swarm: Swarm
    killed: bool  # a switch of the kill switch covers it
    tasks: dict[str, int]  # status -> number
    agent_counts: dict[str, int]  # status -> number
    agents: Annotated[list[Agent], at_most(limits.PAGE_MAX)]  # the first ones, by name
