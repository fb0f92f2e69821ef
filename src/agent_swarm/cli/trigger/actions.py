"""What a trigger does, from flags and from the short form of `task add --on`."""

from typing import Any

import click

from agent_swarm.cli.client import Json
from agent_swarm.domain.triggers import TriggerEvent

_FORMS = 'task:PROMPT, message:WHOM:TEXT (an agent, user:NAME, "#channel" or "filer"), or webhook:URL'


def events_of(text: str, *, hint: str = "--on") -> list[str]:
    """`completed,failed` as a list. Raises BadParameter."""
    events = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [event for event in events if event not in list(TriggerEvent)]
    if wrong or not events:
        said = wrong[0] if wrong else text
        raise click.BadParameter(f"{said!r} is none of {', '.join(TriggerEvent)}", param_hint=hint)
    return events


def triggers_of(texts: tuple[str, ...], secret: str | None) -> list[Json]:
    """`EVENTS=ACTION` of `--on`, each as a trigger of the task. Raises BadParameter, UsageError for a secret alone."""
    triggers = [_trigger(text, secret) for text in texts]
    if secret is not None and not any("webhook" in trigger["do"] for trigger in triggers):
        raise click.UsageError("--webhook-secret goes with --on …=webhook:URL", click.get_current_context())
    return triggers


def _trigger(text: str, secret: str | None) -> Json:
    events, separator, action = text.partition("=")
    if not separator:
        raise click.BadParameter(f"{text!r} has no =; expected EVENTS=ACTION with {_FORMS}", param_hint="--on")
    return {"on": events_of(events), "do": _does(action, secret)}


def _does(action: str, secret: str | None) -> Json:
    kind, _, rest = action.partition(":")
    if kind == "task" and rest.strip():
        return {"createTask": {"prompt": rest, "includeResults": True}}
    if kind == "webhook" and rest:
        return {"webhook": {"url": rest, **({"secret": secret} if secret is not None else {})}}
    whom, said = _addressed(rest)
    if kind == "message" and whom and said.strip():
        return {"postMessage": {"text": said, **whom_of(whom)}}
    raise click.BadParameter(f"{action!r} says nothing to do; expected {_FORMS}", param_hint="--on")


def _addressed(text: str) -> tuple[str, str]:
    """`WHOM:TEXT`, taken apart; people are `user:NAME`."""
    whom, _, said = text.partition(":")
    if whom == "user":
        name, _, said = said.partition(":")
        whom = f"user:{name}" if name else ""
    return whom, said


def whom_of(text: str) -> dict[str, Any]:
    """`filer`, `#channel`, or somebody by name."""
    if text == "filer":
        return {"filer": True}
    return {"channel": text[1:]} if text.startswith("#") else {"to": [text]}
