"""The REST shapes of agents' profiles: what is said of an agent, in versions."""

from typing import Annotated

from pydantic import Field

from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Input, Label, LabelList, Labels, Output, Text, at_most
from agent_swarm.protocol.rest_agents import Description

Version = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
Note = Annotated[Text, Field(max_length=limits.TITLE_CHARS, description="why")]


class ProfileInput(Input):
    """Body of `PATCH /api/agents/{id}/profile`: what is left out stays; null is as the agent's worker reports it."""

    expected_version: Annotated[Version, Field(description="the one that was read")]
    name: Label | None = None
    role: Annotated[Text, Field(max_length=limits.LABEL_CHARS)] | None = None
    description: Description | None = None
    skills: Labels | None = None
    tags: Labels | None = None  # decide which tasks may land there
    capabilities: Labels | None = None  # patterns: of what its worker offers only what fits one
    instructions: Text | None = None  # told to the agent in every attempt; null: none
    note: Note = ""


class RestoreInput(Input):
    """Body of `POST /api/agents/{id}/profile/versions/{number}/restore`."""

    expected_version: Version
    note: Note = ""


class ProfileVersion(Output):
    """One version; null is as the worker reports it."""

    agent_id: str
    version: int
    name: str | None
    role: str | None
    description: str | None
    skills: LabelList | None
    tags: LabelList | None
    capabilities: LabelList | None
    instructions: str
    author: str
    note: str
    made_at: str | None
    restored: int | None  # the version that it repeats


class ProfileVersionHead(Output):
    """A version in a list, without what it says."""

    version: int
    author: str
    note: str
    made_at: str
    restored: int | None


class ProfileVersionList(Output):
    """The versions of a profile, in their order."""

    versions: Annotated[list[ProfileVersionHead], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class Reported(Output):
    """What the worker of an agent reports."""

    name: str
    role: str
    description: str
    skills: LabelList
    tags: LabelList
    capabilities: LabelList


class AgentProfile(ProfileVersion):
    """The version in force, and what the agent's worker reports beside it. Version 0 says nothing."""

    reported: Reported
