"""Files that attempts leave with their tasks. Secrets are taken out of texts, as out of transcripts."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Any

from agent_swarm.domain import attachments as domain
from agent_swarm.domain.errors import Denied, InvalidInput, NotFound, UnknownTask
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import rest_attachments as rest
from agent_swarm.services import cursors
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.families.attachments import ATTACHMENT_CONTENTS, ATTACHMENTS, Attachment
from agent_swarm.store.operations import StoreAttachment


def store(task_id: str, name: str, sent: rest.AttachmentInput, redactor: Redactor, *, by: Identity) -> StoreAttachment:
    """Leave a file with a task, by the token of the attempt that runs it. Raises Denied, InvalidInput, TooLarge."""
    if by.task_id != task_id or by.fence is None:
        raise Denied(
            "files are left with the token of the attempt that runs the task",
            hint="use the token the agent was started with, on its own task",
            details={"taskId": task_id},
        )
    content = _content(sent, redactor)
    media_type = sent.media_type or (domain.TEXT if sent.text is not None else domain.BINARY)
    domain.require_attachment(name, media_type, len(content))
    attachment = Attachment(
        task_id=task_id,
        rank=0,
        name=name,
        media_type=media_type,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    encoded = base64.b64encode(content).decode("ascii")
    return StoreAttachment(attachment=attachment, content=encoded, fence=by.fence, actor=by.actor)


def listed(task_id: str, *, cursor: str | None, limit: int) -> Callable[[Queries], rest.AttachmentList]:
    """A reading: a page of what a task's attempts left, those of the latest first. Raises UnknownTask."""

    def reading(queries: Queries) -> rest.AttachmentList:
        if queries.task(task_id) is None:
            raise UnknownTask(task_id)
        after = cursors.read_ranked(cursor)
        found = queries.scan(ATTACHMENTS, task_id, after=after, limit=limit + 1)
        shown, following = cursors.page(found, limit, lambda one: cursors.after_ranked(one.rank, one.name))
        return rest.AttachmentList(
            attachments=[rest.AttachmentHead(**_head(one)) for one in shown], next_cursor=following
        )

    return reading


def read(task_id: str, name: str, attempt: int | None) -> Callable[[Queries], rest.Attachment]:
    """A reading: one file, of that attempt or of the latest that left one. Raises UnknownTask and NotFound."""

    def reading(queries: Queries) -> rest.Attachment:
        task = queries.task(task_id)
        if task is None:
            raise UnknownTask(task_id)
        numbers = range(task.state.attempt, 0, -1) if attempt is None else [attempt]
        found = next(filter(None, (queries.record(ATTACHMENTS, task_id, -number, name) for number in numbers)), None)
        content = queries.record(ATTACHMENT_CONTENTS, task_id, found.rank, name) if found is not None else None
        if found is None or content is None:
            raise NotFound(f"the task has no attachment {name!r}", hint="see: agent-swarm task attachments")
        return _whole(found, content.content)

    return reading


def _content(sent: rest.AttachmentInput, redactor: Redactor) -> bytes:
    if (sent.text is None) == (sent.base64 is None):
        raise InvalidInput("an attachment has one of text and base64", details={"field": "text"})
    if sent.text is not None:
        return redactor.text(sent.text).encode("utf-8")
    try:
        content = base64.b64decode(sent.base64 or "", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("`base64` is not base64", details={"field": "base64"}) from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return content
    return redactor.text(text).encode("utf-8")


def _head(one: Attachment) -> dict[str, Any]:
    return {
        "name": one.name,
        "attempt": one.attempt,
        "media_type": one.media_type,
        "bytes": one.size,
        "sha256": one.sha256,
        "stored_at": to_wire(one.stored_at),
    }


def _whole(one: Attachment, encoded: str) -> rest.Attachment:
    content = base64.b64decode(encoded)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return rest.Attachment(**_head(one), text=None, base64=encoded)
    return rest.Attachment(**_head(one), text=text, base64=None)
