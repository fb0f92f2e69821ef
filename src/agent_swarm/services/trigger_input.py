"""What is sent about triggers becomes what is stored: each does one thing, and that is checked before it is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agent_swarm.domain.errors import Denied, InvalidInput
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import channel_name, require_text
from agent_swarm.domain.triggers import TriggerAction
from agent_swarm.domain.webhooks import target_of
from agent_swarm.protocol import rest
from agent_swarm.services.tokens import Identity
from agent_swarm.store.families.triggers import TaskTrigger, Trigger, TriggerWork
from agent_swarm.vault.backends.references import Reference, is_reference, reference_in

CheckReference = Callable[[Reference], None]  # raises SwarmError where this server could not follow it; may block


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What a trigger is to do, of one kind; `does` is as it was sent."""

    events: tuple[str, ...]
    action: TriggerAction
    does: dict[str, Any]
    origin: str = ""
    reference: Reference | None = None  # where the secret of a webhook is kept


def meant_by(sent: rest.TaskTriggerInput, where: str, *, by: Identity) -> Meant:
    """What is meant. Raises InvalidInput naming the field, Denied for a webhook of an agent."""
    on = sent.on if isinstance(sent.on, list) else [sent.on]
    events = tuple(dict.fromkeys(event.value for event in on))
    does = sent.do.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    given = [action for action in TriggerAction if action.value in does]
    if len(given) != 1:
        said = " and ".join(given) or "none"
        raise _invalid(f"{where}do", f"says {said}, expected one of {', '.join(TriggerAction)}")
    (action,) = given
    if sent.do.post_message is not None:
        _require_post(sent.do.post_message, f"{where}do.postMessage.")
    if sent.do.webhook is None:
        return Meant(events=events, action=action, does=does)
    place = f"{where}do.webhook."
    if by.task_id is not None:
        raise Denied(
            f"{where}do is a webhook: what runs in a sandbox cannot have the server send something elsewhere",
            hint="let the trigger file a task or post a message, or ask a person to add one: agent-swarm trigger add",
            details={"field": f"{where}do"},
        )
    target = target_of(sent.do.webhook.url, field=f"{place}url")
    reference = _reference(sent.do.webhook.secret, f"{place}secret")
    return Meant(events=events, action=action, does=does, origin=target.origin, reference=reference)


def of_task(
    sent: Sequence[rest.TaskTriggerInput], where: str, task_id: str, *, by: Identity
) -> tuple[TaskTrigger, ...]:
    """The triggers of a task that is filed. Raises InvalidInput, Denied."""
    made = []
    ids = sorted(new_id() for _ in sent)  # they are listed in the order in which they were sent
    for index, one in enumerate(sent):
        place = f"{where}triggers[{index}]."
        meant = meant_by(one, place, by=by)
        if meant.action is TriggerAction.WEBHOOK and meant.reference is None:
            raise _invalid(
                f"{place}do.webhook.secret",
                "is missing: deliveries are signed, and a secret that is made here is shown with standing triggers "
                "only; expected a reference such as ref:env://WEBHOOK_SECRET",
            )
        trigger = trigger_of(meant, scope=task_id, by=by, id=ids[index])
        made.append(TaskTrigger(trigger=trigger, work=TriggerWork(trigger_id=trigger.id, does=meant.does)))
    return tuple(made)


def trigger_of(meant: Meant, *, scope: str, by: Identity, id: str = "", **fields: Any) -> Trigger:
    """A new trigger, made by whoever asks."""
    return Trigger(
        scope=scope,
        id=id or new_id(),
        events=meant.events,
        action=meant.action,
        origin=meant.origin,
        created_by=by.actor,
        maker_agent_id=by.agent_id if by.task_id else None,
        maker_task_id=by.task_id,
        **fields,
    )


def filed(sent: Sequence[rest.TaskTriggerInput]) -> list[tuple[int, rest.TaskInput]]:
    """The tasks that these triggers file, each with its trigger's place."""
    plain = {"by_alias": True, "exclude_unset": True}
    return [
        (index, rest.TaskInput.model_validate(one.do.create_task.model_dump(**plain)))  # type: ignore[arg-type]
        for index, one in enumerate(sent)
        if one.do.create_task is not None
    ]


def _require_post(post: rest.PostInput, where: str) -> None:
    require_text(post.text)
    ways = [name for name, given in (("to", post.to), ("channel", post.channel), ("filer", post.filer)) if given]
    if len(ways) != 1:
        raise _invalid(f"{where}to", f"expected one of to, channel and filer, got {' and '.join(ways) or 'none'}")
    if post.channel is not None:
        channel_name(post.channel)


def _reference(secret: str | None, field: str) -> Reference | None:
    if secret is None:
        return None
    if not is_reference(secret):
        raise _invalid(field, "is no reference: a secret itself is not taken here; expected one like ref:env://NAME")
    return reference_in(secret)


def _invalid(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field} {problem}", hint="see: docs/triggers.md", details={"field": field})
