"""What an agent says of itself, for its next attempts and for others."""

from typing import Annotated

from pydantic import Field

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.protocol import rest, rest_agents, rest_profiles
from agent_swarm.server.access import attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.services import agent_profiles
from agent_swarm.services.tokens import Scope


class UpdateProfile(rest.Input):
    """Arguments of update-profile."""

    expected_version: (
        Annotated[rest_profiles.Version, Field(description="the version that you read; without it nothing is changed")]
        | None
    ) = None
    description: rest_agents.Description | None = None
    skills: rest.Labels | None = None
    instructions: Annotated[rest.Text, Field(description="told to you in every later attempt")] | None = None
    note: rest_profiles.Note = ""


class OwnProfileTools:
    """Parses, calls `services.agent_profiles`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._redactor = context.redactor

    async def update(self, asked: UpdateProfile, caller: Caller) -> rest_profiles.AgentProfile:
        """Only ever the caller's own."""
        by, agent_id = caller.identity, caller.identity.agent_id or ""
        given = asked.model_dump(exclude_unset=True, by_alias=True)
        if asked.expected_version is not None:
            change = rest_profiles.ProfileInput.model_validate(given)
            redactor = self._redactor.also(caller.token)
            await self._store.apply(agent_profiles.change_profile(agent_id, change, redactor, by=by))
        elif given:
            raise InvalidInput(
                "expectedVersion is missing: read the profile first, by a call without arguments",
                details={"field": "expectedVersion"},
            )
        return await self._store.read(agent_profiles.get_profile(agent_id, by=by))


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = OwnProfileTools(context)
    return [
        Tool(
            name="update-profile",
            description=(
                "Your profile: without arguments read it, with expectedVersion change your description, skills, or the "
                "instructions for your later attempts. What is left out stays."
            ),
            takes=UpdateProfile,
            access=attempts(Scope.OWN_PROFILE),
            call=face.update,
        )
    ]
