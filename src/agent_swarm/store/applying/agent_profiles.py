"""Profiles of agents are changed, each change a version, and meet what workers report."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent_swarm.domain.agent_profiles import FIELDS, Described, require_own_fields, require_version
from agent_swarm.store import events, refusals
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.work import Work
from agent_swarm.store.families.agent_profiles import (
    AGENT_REPORTS,
    PROFILE_VERSIONS,
    AgentReport,
    ProfileVersion,
    in_force,
    report_of,
)
from agent_swarm.store.records import AgentRecord


def change_profile(work: Work, op: ops.ChangeAgentProfile) -> ops.ProfileChanged:
    """Write the next version, and let it count. What changes nothing is no version."""
    agent = work.rows.agent(op.agent_id)
    if agent is None:
        raise refusals.unknown_agent(op.agent_id)
    if op.is_own:
        require_own_fields(op.fields)
    before = _said(work, agent)
    after = before.changed(op.fields) if op.restored is None else _version(work, agent, op.restored).described
    if after == before:
        return ops.ProfileChanged(version=agent.profile_version, repeated=True)
    require_version(op.agent_id, current=agent.profile_version, expected=op.expected)
    version = _written(work, agent, after, author=op.actor, note=op.note, restored=op.restored)
    told = events.agent_profile_changed(version, after.differs_in(before), actor=op.actor)
    work.say(told)
    return ops.ProfileChanged(version=version.number)


def begin_profile(work: Work, agent: AgentRecord, *, actor: str) -> AgentRecord:
    """What was said of an agent when it was introduced is its first version, and outlives what its worker reports."""
    profile = agent.profile
    said = Described(
        name=agent.name,
        role=profile.role or None,
        description=agent.description or None,
        skills=tuple(sorted(profile.skills)) or None,
    )
    _put_version(work, agent, said, author=actor, note="introduced", restored=None)
    work.put(AGENT_REPORTS, report_of(agent))
    return replace(agent, profile_version=1)


def take_first_profile(work: Work, agent: AgentRecord, fields: Mapping[str, Any]) -> AgentRecord:
    """What a template says is the next version, where neither people nor the agent's worker have said anything."""
    before, report = _said(work, agent), _report(work, agent)
    missing = {
        name: value for name, value in fields.items() if not getattr(before, name) and not getattr(report, name, None)
    }
    after = before.changed(missing)
    if after == before:
        return agent
    actor = events.of_agent(agent.profile.id)
    version = _put_version(work, agent, after, author=actor, note=f"template {agent.template_id}", restored=None)
    work.say(events.agent_profile_changed(version, after.differs_in(before), actor=actor))
    return replace(in_force(agent, report, after), profile_version=version.number)


def meet_report(work: Work, agent: AgentRecord) -> AgentRecord:
    """The agent as it counts, of what its worker has just reported."""
    if not agent.profile_version:
        return agent
    report = report_of(agent)
    work.put(AGENT_REPORTS, report)
    return in_force(agent, report, _said(work, agent))


def _written(
    work: Work, agent: AgentRecord, said: Described, *, author: str, note: str, restored: int | None
) -> ProfileVersion:
    report = _report(work, agent)
    version = _put_version(work, agent, said, author=author, note=note, restored=restored)
    work.rows.put_agent(replace(in_force(agent, report, said), profile_version=version.number))
    return version


def _put_version(
    work: Work, agent: AgentRecord, said: Described, *, author: str, note: str, restored: int | None
) -> ProfileVersion:
    version = ProfileVersion(
        agent_id=agent.profile.id,
        number=agent.profile_version + 1,
        **{name: getattr(said, name) for name in FIELDS},
        author=author,
        note=note,
        made_at=work.now,
        restored=restored,
    )
    work.put(PROFILE_VERSIONS, version)
    return version


def _report(work: Work, agent: AgentRecord) -> AgentReport:
    known = work.get(AGENT_REPORTS, agent.profile.id)
    if known is None:  # until now what its worker reported is all that there is
        known = report_of(agent)
        work.put(AGENT_REPORTS, known)
    return known


def _said(work: Work, agent: AgentRecord) -> Described:
    return _version(work, agent, agent.profile_version).described if agent.profile_version else Described()


def _version(work: Work, agent: AgentRecord, number: int) -> ProfileVersion:
    found = work.get(PROFILE_VERSIONS, agent.profile.id, number)
    if found is None:
        raise refusals.unknown_profile_version(agent.profile.id, number)
    return found
