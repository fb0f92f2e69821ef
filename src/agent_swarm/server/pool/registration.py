"""`POST /v1/pool/register`: a worker reports for work and gets the agent's own token."""

import random

from starlette.requests import Request

from agent_swarm.domain.errors import Denied, InvalidInput
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.matching import AgentProfile, AgentRole
from agent_swarm.domain.offers import OfferPolicy
from agent_swarm.faults import crash_point
from agent_swarm.protocol.pool import FirstProfile, LeaseRef, RegisterReply, RegisterRequest, Timing
from agent_swarm.server.access import identity_of
from agent_swarm.server.mcp.endpoint import PATH as MCP_PATH
from agent_swarm.server.pool import wire
from agent_swarm.server.pool.cleaning import clean_text
from agent_swarm.server.pool.context import PoolContext
from agent_swarm.services.tokens import Identity, Scope, mint
from agent_swarm.store import operations as ops
from agent_swarm.store.families.swarms import living_swarm
from agent_swarm.store.operations import Held, RegisterAgent
from agent_swarm.store.records import AgentRecord, TokenKind

BIGGEST = 2**53


class RegisterFace:
    """The route."""

    def __init__(self, pool: PoolContext) -> None:
        self._pool = pool

    async def register(self, request: Request, body: RegisterRequest) -> RegisterReply:
        """Report for work. The token answered is shown once; an earlier one of the agent counts no more."""
        wire.require_version(request.scope)
        agent = _agent(body)
        _require_own(identity_of(request), agent)
        store = self._pool.store
        minted = mint(
            TokenKind.AGENT,
            now=store.now(),
            agent_role=agent.profile.agent_role,
            agent_id=agent.profile.id,
            instance_id=agent.instance_id,
        )
        held = tuple(Held(task_id=lease.task_id.lower(), fence=lease.fence) for lease in body.held if _can_exist(lease))
        operation = RegisterAgent(
            agent=agent,
            token=minted.record,
            held=held,
            jitter=random.random(),  # noqa: S311  # spreads retries
            profiles=self._pool.profiles,
            swarm_id=await self._swarm(body.swarm, identity_of(request)),
            first=None if body.first is None else _first(body.first),
        )
        registration = await store.apply(operation)
        crash_point("pool.registered")
        self._pool.dispatcher.describe(
            registration.agent.profile
        )  # connections of this process, where it registers again
        return RegisterReply(
            agent_id=agent.profile.id,
            instance_id=agent.instance_id,
            token=minted.text,
            timing=Timing(radar_seconds=self._pool.radar_seconds),
            fenced=tuple(LeaseRef(task_id=lease.task_id, fence=lease.fence) for lease in registration.fenced),
            resumed=registration.resumed,
            mcp=MCP_PATH,
            swarm_id=registration.agent.profile.swarm_id or "",
        )

    async def _swarm(self, named: str, by: Identity) -> str | None:
        """The swarm that it would be in. Raises UnknownReference, and Denied for a token that may not say so."""
        if not named:
            return None
        if not by.may(Scope.SWARMS_WRITE):
            raise Denied(
                f"swarm: to join one needs the scope {Scope.SWARMS_WRITE}, which the token does not have",
                hint="register with the API key, or leave swarm out",
                details={"field": "swarm"},
            )
        return (await self._pool.store.read(lambda queries: living_swarm(queries, clean_text(named)))).id


def _agent(body: RegisterRequest) -> AgentRecord:
    profile = AgentProfile(
        id=_id(body.agent_id, "agent_id"),
        agent_role=AgentRole(body.agent_role),
        role=clean_text(body.role),
        tags=frozenset(map(clean_text, body.tags)),
        capabilities=frozenset(map(clean_text, body.capabilities)),
        skills=frozenset(map(clean_text, body.skills)),
    )
    return AgentRecord(
        profile=profile,
        name=clean_text(body.name),
        description=clean_text(body.description),
        template_id=clean_text(body.template_id),
        harness=clean_text(body.harness),
        slots=body.slots,
        offers=OfferPolicy(body.offers),
        instance_id=_id(body.instance_id, "instance_id"),
    )


def _first(told: FirstProfile) -> ops.FirstProfile:
    """What it says something of, as it can be stored."""
    fields = {
        "role": clean_text(told.role),
        "description": clean_text(told.description),
        "skills": tuple(sorted(map(clean_text, told.skills))),
        "tags": tuple(sorted(map(clean_text, told.tags))),
        "instructions": clean_text(told.instructions),
    }
    said = {name: value for name, value in fields.items() if value}
    return ops.FirstProfile(fields=said, permissions=clean_text(told.permissions))


def _id(text: str, field: str) -> str:
    normal = normalize_id(text)
    if normal is None:
        raise InvalidInput(
            f"{field} is not a UUID such as 0197a1c2-5b7e-7c3d-9e4f-0123456789ab",
            hint="make one with uuidgen",
            details={"field": field},
        )
    return normal


def _require_own(identity: Identity, agent: AgentRecord) -> None:
    """An agent registers itself, operators register anyone."""
    if identity.kind is TokenKind.AGENT and identity.agent_id != agent.profile.id:
        raise Denied(
            f"this is the token of agent {identity.agent_id!r}, it cannot register agent {agent.profile.id!r}",
            hint="register with the API key",
            details={"agentId": agent.profile.id},
        )


def _can_exist(lease: LeaseRef) -> bool:
    return lease.fence <= BIGGEST and normalize_id(lease.task_id) is not None
