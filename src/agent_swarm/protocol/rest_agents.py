"""The REST shapes of agents that are introduced, stopped and started."""

from typing import Annotated, Literal

from pydantic import Field

from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Agent, Id, Input, Label, Labels, Output, Text, at_most

Description = Annotated[Text, Field(max_length=limits.DESCRIPTION_CHARS)]
Reason = Annotated[Text, Field(max_length=limits.PROGRESS_CHARS)]
Recursive = Annotated[bool, Field(strict=True, description="also all agents below it")]


class AgentInput(Input):
    """Body of `POST /api/agents`: an agent that no process reports for yet."""

    name: Label
    agent_role: Literal["worker", "lead"] = "worker"
    role: Annotated[Text, Field(max_length=limits.LABEL_CHARS)] = ""  # what it is among the others, in a word
    description: Description = ""
    skills: Labels = Field(default_factory=list)
    permissions: Label | None = None  # permission profile; default: that of its role, at most that of the agent above
    parent_agent_id: Id | None = None  # for people; an agent's are below itself
    id: Id | None = None  # default: a new one


class StopAgentInput(Input):
    """Body of `POST /api/agents/{id}/stop`."""

    recursive: Recursive = False
    reason: Reason = ""


class StartAgentInput(Input):
    """Body of `POST /api/agents/{id}/start`."""

    recursive: Recursive = False


class AgentDetail(Agent):
    """An agent, with the agents directly below it."""

    children: Annotated[list[str], at_most(limits.PAGE_MAX)]  # the first ones, by id


class AgentAdded(AgentDetail):
    """An agent that was introduced; `repeated` where it was there already."""

    repeated: bool


class AgentsStopped(Output):
    """What a stop or a start made a difference to: agents, and the tasks whose runs are interrupted for others."""

    agent: AgentDetail
    agents: Annotated[list[str], at_most(limits.AGENTS_TOLD)]
    interrupted: Annotated[list[str], at_most(limits.AGENTS_TOLD)]
