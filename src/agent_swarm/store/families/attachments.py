"""Attachments as they are kept: by their task, the latest attempt first, and their name."""

from dataclasses import dataclass

from agent_swarm.store.families.family import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file of an attempt, without its content. `rank` is minus the number of the attempt."""

    task_id: str
    rank: int
    name: str
    media_type: str
    size: int
    sha256: str
    stored_at: int = 0

    @property
    def attempt(self) -> int:
        """The number of its attempt."""
        return -self.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentContent:
    """What is in an attachment, apart from it, so that lists do not read it: base64 of its bytes."""

    task_id: str
    rank: int
    name: str
    content: str


ATTACHMENTS = Family("attachment", Attachment, key=("task_id", "rank", "name"))
ATTACHMENT_CONTENTS = Family("attachment_content", AttachmentContent, key=("task_id", "rank", "name"))
