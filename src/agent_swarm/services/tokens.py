"""Who is asking: opaque tokens, what each kind may do, and when a token counts.

A token is `asw_<kind>_<lookup>_<secret>`: the kind and the lookup are for people reading a list, the secret has 256
bits. Only the SHA-256 of the whole text is stored; a random text of this length needs no slow hash. The operator's API
key is any text a person chose and is treated the same way.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from agent_swarm.domain.errors import Unauthenticated
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.roles import Role
from agent_swarm.domain.tasks import TaskState
from agent_swarm.store.base import Queries
from agent_swarm.store.records import TokenKind, TokenRecord

API_KEY_LABEL = "api-key"  # the operator token of the API key; another key replaces it


class Scope(StrEnum):
    """What a token may do. A token without a scope may not do it: nothing is implied by its kind."""

    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    AGENTS_READ = "agents:read"
    AGENTS_WRITE = "agents:write"  # introduce them, stop and start them
    AGENTS_ADMIN = "agents:admin"  # say what they may do
    SWARMS_READ = "swarms:read"
    SWARMS_WRITE = "swarms:write"
    PROJECTS_READ = "projects:read"
    PROJECTS_WRITE = "projects:write"
    EVENTS_READ = "events:read"
    METRICS_READ = "metrics:read"
    CONFIG_READ = "config:read"  # stored configuration, without the values of secrets
    CONFIG_WRITE = "config:write"
    CONFIG_ADMIN = "config:admin"  # the values of secrets, and the keys they are encrypted with
    KILL_SWITCH_READ = "killSwitch:read"
    KILL_SWITCH_WRITE = "killSwitch:write"  # stop everything
    KILL_SWITCH_ADMIN = "killSwitch:admin"  # and let it go on
    AUDIT_READ = "audit:read"  # who did what, checkpoints, whether the history is whole
    AUDIT_ADMIN = "audit:admin"  # sign checkpoints, replace the key, archive
    MESSAGES_READ = "messages:read"
    MESSAGES_WRITE = "messages:write"
    POOL_WORK = "pool:work"  # register, claim, report
    OWN_TASK_READ = "ownTask:read"  # its own task, and the tasks that one depends on
    OWN_TASK_PROGRESS = "ownTask:progress"
    OWN_OFFERS = "ownOffers:answer"  # accept or reject what its agent is offered
    OWN_MESSAGES = "ownMessages:use"  # write as its agent, and read what that gets
    CHILDREN_CREATE = "children:create"  # tasks below its own one, agents below its own one
    CHILDREN_STEER = "children:steer"  # tell those who work on them something, stop those agents
    OWN_SESSION = "ownSession:use"  # look at what one is and has open, and end it
    MEMORY_READ = "memory:read"
    MEMORY_WRITE = "memory:write"
    KV_READ = "kv:read"
    KV_WRITE = "kv:write"
    APPROVALS_READ = "approvals:read"
    APPROVALS_WRITE = "approvals:write"  # answer what agents ask
    OWN_MEMORY = "ownMemory:use"  # notes of its agent, its project and the swarm
    OWN_KV = "ownKv:use"  # values of its agent, its task and the swarm
    OWN_PROFILE = "ownProfile:use"  # what is said of its agent, and to it
    OWN_QUESTIONS = "ownQuestions:ask"  # ask people, and see what they answer
    SCHEDULES_READ = "schedules:read"
    SCHEDULES_WRITE = "schedules:write"
    OWN_SCHEDULES = "ownSchedules:use"  # have work started by the clock below its own task
    BUDGETS_READ = "budgets:read"  # and reports about costs
    BUDGETS_WRITE = "budgets:write"
    TRIGGERS_READ = "triggers:read"
    TRIGGERS_WRITE = "triggers:write"  # also where webhooks go
    WORKFLOWS_READ = "workflows:read"
    WORKFLOWS_WRITE = "workflows:write"
    WORKFLOWS_ADMIN = "workflows:admin"  # have scripts run on the server's own machine
    USERS_ADMIN = "users:admin"  # users, their sessions, and the keys that sign for them


_COORDINATING = frozenset(
    {
        Scope.OWN_MESSAGES,
        Scope.OWN_OFFERS,
        Scope.OWN_MEMORY,
        Scope.OWN_KV,
        Scope.OWN_PROFILE,
        Scope.OWN_QUESTIONS,
    }
)
_LEADING = frozenset({Scope.CHILDREN_CREATE, Scope.CHILDREN_STEER, Scope.OWN_SCHEDULES})
_ATTEMPTS_ONLY = _COORDINATING | _LEADING | {Scope.OWN_TASK_READ, Scope.OWN_TASK_PROGRESS}
_OPERATOR = frozenset(Scope) - _ATTEMPTS_ONLY
_AGENT = frozenset({Scope.POOL_WORK, Scope.OWN_OFFERS})
_WORKER_ATTEMPT = _COORDINATING | {Scope.OWN_TASK_READ, Scope.OWN_TASK_PROGRESS}
_LEAD_ATTEMPT = _WORKER_ATTEMPT | _LEADING | {Scope.TASKS_READ, Scope.AGENTS_READ, Scope.PROJECTS_READ}


@lru_cache
def scopes_of(kind: TokenKind, agent_role: AgentRole = AgentRole.WORKER) -> tuple[str, ...]:
    """What a new token of this kind may do; only an attempt's depends on the role of its agent."""
    match kind:
        case TokenKind.OPERATOR:
            granted = _OPERATOR
        case TokenKind.AGENT:
            granted = _AGENT
        case TokenKind.ATTEMPT:
            granted = _LEAD_ATTEMPT if agent_role is AgentRole.LEAD else _WORKER_ATTEMPT
        case TokenKind.USER:
            granted = frozenset()  # by role: `scopes_of_role`
    return tuple(sorted(granted))


_ENDINGS = {
    Role.VIEWER: (":read",),
    Role.OPERATOR: (":read", ":write"),
    Role.ADMIN: (":read", ":write", ":admin"),
}


@lru_cache
def scopes_of_role(role: Role) -> frozenset[str]:
    """What a user with this role may do: the ending of a scope says who has it. Nobody works as a worker by role."""
    granted = {scope for scope in _OPERATOR if scope.endswith(_ENDINGS[role])}
    return frozenset(granted | {Scope.OWN_SESSION})


@dataclass(frozen=True, slots=True)
class Minted:
    """A new token: `text` is shown once, `record` is stored."""

    text: str
    record: TokenRecord

    def __repr__(self) -> str:
        return f"Minted({self.record.kind} {self.record.id})"


def mint(
    kind: TokenKind,
    *,
    now: int,
    epoch: int = 0,
    agent_role: AgentRole = AgentRole.WORKER,
    agent_id: str | None = None,
    instance_id: str | None = None,
    label: str = "",
    expires_at: int | None = None,
) -> Minted:
    """A new random token. An attempt's task and fence are filled in by the claim that uses it."""
    token_id = new_id()
    text = f"asw_{kind}_{token_id[-12:]}_{secrets.token_urlsafe(32)}"
    return Minted(
        text,
        TokenRecord(
            id=token_id,
            kind=kind,
            hash=hash_token(text),
            scopes=scopes_of(kind, agent_role),
            label=label,
            agent_id=agent_id,
            instance_id=instance_id,
            epoch=epoch,
            created_at=now,
            expires_at=expires_at,
        ),
    )


def api_key_token(api_key: str, *, now: int, of: str = "") -> TokenRecord:
    """The operator token that the API key is; put at every start, so that a changed key replaces the old one.

    `of` names the server that made the key for itself.
    """
    return TokenRecord(
        id=new_id(),
        kind=TokenKind.OPERATOR,
        hash=hash_token(api_key),
        scopes=scopes_of(TokenKind.OPERATOR),
        label=f"{API_KEY_LABEL} {of}".rstrip(),
        created_at=now,
    )


def new_api_key() -> str:
    """A fresh API key, of the same shape as other tokens so that redaction knows it by sight."""
    return f"asw_operator_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"


def hash_token(text: str) -> str:
    """What is stored of a token: SHA-256, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whoever holds a valid token, as services and events see them."""

    kind: TokenKind
    token_id: str
    scopes: frozenset[str]
    agent_id: str | None = None
    instance_id: str | None = None
    task_id: str | None = None
    swarm_id: str | None = None  # of an attempt: the swarm of its task
    fence: int | None = None
    expires_at: int | None = None
    owner: str = "operator"  # of a session: `user:<name>`, or the operator whose API key began it
    role: Role = Role.ADMIN  # of a person

    @property
    def actor(self) -> str:
        """Who did it, in events and on tasks: `operator`, `user:<name>` or `agent:<id>`."""
        return f"agent:{self.agent_id}" if self.agent_id else self.owner

    @property
    def limited_as(self) -> str:
        """Whose requests are counted together with these: all of a user's, else those of one token."""
        return self.owner if self.kind is TokenKind.USER else self.token_id

    @property
    def subject(self) -> str:
        """Whose idempotency keys these are. Attempts at a task share theirs: the next must not file the same again."""
        return f"task:{self.task_id}" if self.task_id else self.actor

    def may(self, scope: Scope) -> bool:
        """Whether the token has this scope."""
        return scope in self.scopes


def authenticate(token_hash: str, *, now: int) -> Callable[[Queries], Identity]:
    """A reading: whose token this hash is of. Raises Unauthenticated, saying why the token does not count."""

    def reading(queries: Queries) -> Identity:
        record = queries.token_by_hash(token_hash)
        if record is None or not hmac.compare_digest(record.hash, token_hash):
            raise Unauthenticated("this token is not known", hint="send a valid token: Authorization: Bearer <token>")
        task = queries.task(record.task_id) if record.task_id else None
        why_not = flaw(record, task=task.state if task else None, epoch=queries.epoch(), now=now)
        if why_not:
            raise Unauthenticated(f"this token does not count: {why_not}", hint=_REMEDY[record.kind])
        return Identity(
            kind=record.kind,
            token_id=record.id,
            scopes=frozenset(record.scopes),
            agent_id=record.agent_id,
            instance_id=record.instance_id,
            task_id=record.task_id,
            swarm_id=task.spec.swarm_id if task else None,
            fence=record.fence,
            expires_at=record.expires_at,
        )

    return reading


def flaw(record: TokenRecord, *, task: TaskState | None, epoch: int, now: int) -> str:
    """Why a stored token does not count now; empty when it does."""
    if record.revoked_at is not None:
        return "it was revoked"
    if record.expires_at is not None and record.expires_at <= now:
        return "it has expired"
    if record.kind is TokenKind.OPERATOR:
        return ""  # operators stay logged in when the kill switch raises the epoch
    if record.epoch != epoch:
        return "the kill switch was used since it was made"
    if record.kind is TokenKind.AGENT:
        return ""
    if task is None or not task.is_held or task.fence != record.fence or task.id != record.task_id:
        return "its attempt is over"
    return ""


_REMEDY = {
    TokenKind.OPERATOR: "ask for the current API key",
    TokenKind.AGENT: "register the agent again",
    TokenKind.ATTEMPT: "stop: whatever this attempt still does is discarded",
    TokenKind.USER: "log in again",
}
