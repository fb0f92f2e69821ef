"""The REST shapes of files that attempts leave with their tasks."""

from typing import Annotated

from pydantic import Field

from agent_swarm.domain.attachments import BYTES, MEDIA_TYPE_CHARS
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Input, Output, Text, at_most

_BASE64_CHARS = 4 * (BYTES // 3 + 1)


class AttachmentInput(Input):
    """Body of `PUT /api/tasks/{id}/attachments/{name}`, with an attempt's token: one of `text` and `base64`, at most
    256 KiB.
    """

    text: Annotated[Text, Field(max_length=BYTES)] | None = None
    base64: Annotated[str, Field(max_length=_BASE64_CHARS)] | None = None
    media_type: Annotated[str, Field(max_length=MEDIA_TYPE_CHARS)] | None = None


class AttachmentHead(Output):
    """A file without its content."""

    name: str
    attempt: int
    media_type: str
    bytes: int
    sha256: str
    stored_at: str


class Attachment(AttachmentHead):
    """A file: `text` where it is UTF-8, else `base64`."""

    text: str | None
    base64: str | None


class AttachmentList(Output):
    """Files of a task, those of the latest attempt first."""

    attachments: Annotated[list[AttachmentHead], at_most(limits.PAGE_MAX)]
    next_cursor: str | None
