"""Profiles of agents: what people and the agents themselves say of them, version by version.

An attempt sees and writes its own agent's profile only, and of that what decides nothing about which tasks it gets.
"""

from collections.abc import Callable
from typing import Any

from agent_swarm.domain.errors import Denied, InvalidInput
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import rest_profiles
from agent_swarm.services import cursors
from agent_swarm.services.agents import require_agent
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity
from agent_swarm.store import refusals
from agent_swarm.store.base import Queries
from agent_swarm.store.families.agent_profiles import (
    AGENT_REPORTS,
    PROFILE_VERSIONS,
    AgentReport,
    ProfileVersion,
    report_of,
)
from agent_swarm.store.operations import ChangeAgentProfile

_SAID = ("name", "role", "description", "instructions")
_LISTS = ("skills", "tags", "capabilities")


def get_profile(agent_id: str, *, by: Identity) -> Callable[[Queries], rest_profiles.AgentProfile]:
    """A reading: the version in force, and what the worker reports. Raises NotFound, Denied."""
    _require_own(agent_id, by)

    def reading(queries: Queries) -> rest_profiles.AgentProfile:
        agent = require_agent(queries, agent_id)
        version = _version(queries, agent_id, agent.profile_version)
        report = queries.record(AGENT_REPORTS, agent_id) or report_of(agent)
        return rest_profiles.AgentProfile(**dict(view(version)), reported=_reported(report))

    return reading


def list_versions(
    agent_id: str, *, cursor: str | None, limit: int, by: Identity
) -> Callable[[Queries], rest_profiles.ProfileVersionList]:
    """A reading: a page of the versions, in their order."""
    _require_own(agent_id, by)
    after = cursors.read_number(cursor)

    def reading(queries: Queries) -> rest_profiles.ProfileVersionList:
        require_agent(queries, agent_id)
        found = queries.scan(PROFILE_VERSIONS, agent_id, after=(after,), limit=limit + 1)
        shown, following = cursors.page(found, limit, lambda version: cursors.after_number(version.number))
        return rest_profiles.ProfileVersionList(
            versions=[
                rest_profiles.ProfileVersionHead(
                    version=one.number,
                    author=one.author,
                    note=one.note,
                    made_at=to_wire(one.made_at),
                    restored=one.restored,
                )
                for one in shown
            ],
            next_cursor=following,
        )

    return reading


def get_version(agent_id: str, number: int, *, by: Identity) -> Callable[[Queries], rest_profiles.ProfileVersion]:
    """A reading: one version, whole. Raises NotFound."""
    _require_own(agent_id, by)

    def reading(queries: Queries) -> rest_profiles.ProfileVersion:
        require_agent(queries, agent_id)
        return view(_version(queries, agent_id, number))

    return reading


def change_profile(
    agent_id: str, asked: rest_profiles.ProfileInput, redactor: Redactor, *, by: Identity
) -> ChangeAgentProfile:
    """Say something else of an agent. Raises Denied, InvalidInput."""
    _require_own(agent_id, by)
    given = asked.model_fields_set - {"expected_version", "note"}
    if not given:
        raise InvalidInput("nothing is said: name a field", details={"field": "name"})
    return ChangeAgentProfile(
        agent_id=agent_id,
        expected=asked.expected_version,
        actor=by.actor,
        fields={name: _stored(name, getattr(asked, name), redactor) for name in sorted(given)},
        note=redactor.text(asked.note),
        is_own=by.task_id is not None,
    )


def restore(
    agent_id: str, number: int, asked: rest_profiles.RestoreInput, redactor: Redactor, *, by: Identity
) -> ChangeAgentProfile:
    """Let an earlier version count again, as the next one."""
    return ChangeAgentProfile(
        agent_id=agent_id,
        expected=asked.expected_version,
        actor=by.actor,
        restored=number,
        note=redactor.text(asked.note),
    )


def view(version: ProfileVersion) -> rest_profiles.ProfileVersion:
    """A version, as people see it."""
    lists = {name: None if (found := getattr(version, name)) is None else list(found) for name in _LISTS}
    return rest_profiles.ProfileVersion(
        agent_id=version.agent_id,
        version=version.number,
        name=version.name,
        role=version.role,
        description=version.description,
        instructions=version.instructions,
        author=version.author,
        note=version.note,
        made_at=to_wire(version.made_at) if version.number else None,
        restored=version.restored,
        **lists,
    )


def _stored(name: str, value: Any, redactor: Redactor) -> Any:
    if name in _LISTS:
        return None if value is None else tuple(sorted({redactor.text(one) for one in value}))
    if value is None:
        return "" if name == "instructions" else None
    return redactor.text(value)


def _version(queries: Queries, agent_id: str, number: int) -> ProfileVersion:
    if not number:
        return ProfileVersion(agent_id=agent_id, number=0)
    found = queries.record(PROFILE_VERSIONS, agent_id, number)
    if found is None:
        raise refusals.unknown_profile_version(agent_id, number)
    return found


def _reported(report: AgentReport) -> rest_profiles.Reported:
    return rest_profiles.Reported(
        name=report.name,
        role=report.role,
        description=report.description,
        skills=list(report.skills),
        tags=list(report.tags),
        capabilities=list(report.capabilities),
    )


def _require_own(agent_id: str, by: Identity) -> None:
    if by.task_id is not None and by.agent_id != agent_id:
        raise Denied(
            f"the profile of agent {agent_id!r} is not your own",
            hint="an agent reads and changes its own profile",
            details={"agentId": agent_id},
        )
