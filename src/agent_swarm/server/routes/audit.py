"""`/api/audit`: who did what, signed checkpoints, whether the history is whole."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.audit.keys import PublicKey, public_key_of
from agent_swarm.domain.errors import InvalidInput, NoNotary
from agent_swarm.protocol import limits, rest, rest_audit
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services import audit
from agent_swarm.services.history import Wanted
from agent_swarm.services.tokens import Scope

Types = Annotated[
    str | None, Query(max_length=1000, description="comma-separated event types; `task.*` is all that begin so")
]
TaskId = Annotated[rest.Id | None, Query(alias="taskId", json_schema_extra={"format": "uuid"})]
Actor = Annotated[
    rest.Text | None, Query(max_length=limits.LABEL_CHARS, description="`operator`, `agent:<id>`, or `agent` for any")
]
Moment = Annotated[rest.Text | None, Query(max_length=40, json_schema_extra={"format": "date-time"})]
FromSeq = Annotated[int | None, Query(alias="fromSeq", ge=1, le=params.SEQ_MAX)]
Events = Annotated[int, Query(ge=1, le=limits.AUDIT_VERIFY_MAX, description="how many events to look at")]


class AuditRoutes:
    """Parses, calls `services.audit` or the notary, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._notary = context.notary

    async def list_audit_events(
        self,
        actor: Actor = None,
        types: Types = None,
        task_id: TaskId = None,
        since: Moment = None,
        until: Moment = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> rest_audit.AuditEventPage:
        """Who did what, newest first. A page may be empty and still go on: follow `nextCursor`."""
        wanted = Wanted(
            actor=actor or "",
            types=tuple(params.comma_separated(types)),
            task_id=task_id,
            since=audit.instant(since, "query.since"),
            until=audit.instant(until, "query.until"),
        )
        return await self._store.read(audit.events(wanted, cursor=cursor, limit=limit))

    async def list_checkpoints(
        self, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> rest_audit.CheckpointPage:
        """The signed checkpoints, newest first."""
        return await self._store.read(audit.checkpoints(cursor=cursor, limit=limit))

    async def verify_history(
        self, from_seq: FromSeq = None, limit: Events = limits.AUDIT_VERIFY_DEFAULT
    ) -> rest_audit.AuditVerification:
        """Hash events anew and compare them with the checkpoints in this server's file; follow `nextSeq`."""
        notary = self._notary
        reading = audit.verification(notary.ledger, notary.public_keys(), from_seq=from_seq, limit=limit)
        return await self._store.read(reading)

    async def make_checkpoint(self, request: Request, body: params.NoFields | None = None) -> rest_audit.Checkpoint:
        """Sign a checkpoint now."""
        return audit.checkpoint(await self._notary.checkpoint(actor=identity_of(request).actor))

    async def get_audit_key(self) -> rest_audit.AuditKey:
        """The public key that this server signs checkpoints with."""
        keys = self._notary.public_keys()
        if not keys:
            raise NoNotary(
                "this server has no key that signs checkpoints", hint="see its log for what is wrong with it"
            )
        return audit.key(keys[0])

    async def replace_audit_key(
        self, request: Request, body: rest_audit.AuditKeyInput | None = None
    ) -> rest_audit.Checkpoint:
        """Have another key sign from now on, introduced by a checkpoint that the present key signs."""
        public = _public_key(body.public_key) if body is not None and body.public_key else None
        return audit.checkpoint(await self._notary.replace_key(actor=identity_of(request).actor, public=public))

    async def archive_events(self, request: Request, body: rest_audit.ArchiveInput) -> rest_audit.ArchiveAnswer:
        """Put events from before a time into a file of this server, and take them out of the database."""
        before = audit.instant(body.before, "before")
        assert before is not None
        done = await self._notary.archive(before=before, actor=identity_of(request).actor)
        return rest_audit.ArchiveAnswer(archived=None if done is None else audit.archived(done))


def _public_key(text: str) -> PublicKey:
    key = public_key_of(text, where="publicKey")
    if len(set(key.raw)) == 1:  # a placeholder
        raise InvalidInput("publicKey is no key", details={"field": "publicKey"})
    return key


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = AuditRoutes(context)
    reading, ruling = operators(Scope.AUDIT_READ), operators(Scope.AUDIT_ADMIN)
    return [
        route("GET", "/api/audit/events", face.list_audit_events, answers=rest_audit.AuditEventPage, access=reading),
        route(
            "GET", "/api/audit/checkpoints", face.list_checkpoints, answers=rest_audit.CheckpointPage, access=reading
        ),
        route("GET", "/api/audit/verify", face.verify_history, answers=rest_audit.AuditVerification, access=reading),
        route("GET", "/api/audit/key", face.get_audit_key, answers=rest_audit.AuditKey, access=reading, conflicts=True),
        route(
            "POST",
            "/api/audit/checkpoint",
            face.make_checkpoint,
            answers=rest_audit.Checkpoint,
            access=ruling,
            conflicts=True,
        ),
        route(
            "POST",
            "/api/audit/key",
            face.replace_audit_key,
            answers=rest_audit.Checkpoint,
            access=ruling,
            conflicts=True,
        ),
        route(
            "POST",
            "/api/audit/archive",
            face.archive_events,
            answers=rest_audit.ArchiveAnswer,
            access=ruling,
            conflicts=True,
        ),
    ]
