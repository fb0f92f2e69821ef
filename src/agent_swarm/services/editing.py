"""Changing what a task says, while nobody has it."""

from collections.abc import Callable

from agent_swarm.domain.errors import InvalidInput, UnknownTask
from agent_swarm.protocol.rest_commands import TaskPatch
from agent_swarm.services.tasks import require_prompt
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.operations import EditTask
from agent_swarm.store.records import TaskSpec


def edit_of(task_id: str, wanted: TaskPatch, *, by: Identity) -> Callable[[Queries], EditTask | None]:
    """Reads what a patch changes of the wording of a task; None where it says so already.

    Raises UnknownTask, InvalidInput, TooLarge.
    """
    if wanted.title is not None and not wanted.title.strip():
        raise InvalidInput("title is blank, expected what people call it", details={"field": "title"})
    if wanted.prompt is not None:
        require_prompt(wanted.prompt, field="prompt")

    def reading(queries: Queries) -> EditTask | None:
        record = queries.task(task_id)
        if record is None:
            raise UnknownTask(task_id)
        edit = _different(record.spec, wanted, by)
        return edit if edit.fields else None

    return reading


def _different(spec: TaskSpec, wanted: TaskPatch, by: Identity) -> EditTask:
    title = None if wanted.title is None else " ".join(wanted.title.split())
    labels = None if wanted.tags is None else tuple(dict.fromkeys(wanted.tags))
    is_required = bool(spec.labels) and spec.requires.any_tag == frozenset(spec.labels)
    return EditTask(
        task_id=spec.id,
        actor=by.actor,
        title=None if title == spec.title else title,
        prompt=None if wanted.prompt == spec.prompt else wanted.prompt,
        labels=None if labels == spec.labels else labels,
        any_tag=True if is_required else None,  # one that was filed for whoever has one of its tags stays so
    )
