"""What the runner can do by itself: a fixed table. Whoever started the run is who does it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError

from agent_swarm.protocol import rest_kv, rest_memory, rest_messages
from agent_swarm.server.context import Context
from agent_swarm.services.tokens import Identity
from agent_swarm.workflows.builtins import (
    FailArguments,
    FormatArguments,
    KvArguments,
    MessageArguments,
    NoteArguments,
    arguments_of,
)
from agent_swarm.workflows.document import BuiltinName
from agent_swarm.workflows.expressions import ExpressionError, as_text
from agent_swarm.workflows.rendering import OUTPUT_CHARS, StageOutcome, StageStatus

NAMESPACE = "swarm"  # where kv-set puts values: everybody's


class BuiltinFailed(Exception):
    """A builtin that failed because a file says so."""


async def do_builtin(
    name: BuiltinName, arguments: Mapping[str, Any], *, context: Context, by: Identity
) -> StageOutcome:
    """Do it, and say what it came to. Raises ExpressionError for arguments that do not fit, and what services raise."""
    try:
        given = arguments_of(name).model_validate(_as_wanted(name, arguments))
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        raise ExpressionError(f"{name.value}: {'.'.join(map(str, first['loc']))} {first['msg']}") from None
    return await _TABLE[name](given, context, by)


async def _format(given: FormatArguments, _context: Context, _by: Identity) -> StageOutcome:
    return _done(given.text, given.data)


async def _message(given: MessageArguments, context: Context, by: Identity) -> StageOutcome:
    body: dict[str, Any] = {"text": given.text}
    if given.channel is not None:
        body["channel"] = given.channel
    elif given.to:
        body["to"] = given.to
    else:
        body["broadcast"] = True
    posted, _ = await context.messages.post(rest_messages.MessageInput.model_validate(body), by=by)
    return _done(given.text, {"id": posted.id})


async def _note(given: NoteArguments, context: Context, by: Identity) -> StageOutcome:
    body = {"text": given.text, "tags": given.tags, **({"name": given.name} if given.name else {})}
    kept = await context.memory.put(rest_memory.NoteInput.model_validate(body), by=by)
    return _done(kept.name, {"id": kept.id, "name": kept.name})


async def _kv_set(given: KvArguments, context: Context, by: Identity) -> StageOutcome:
    kept = await context.key_values.set(NAMESPACE, given.key, rest_kv.KvInput(value=given.value), by=by)
    return _done(as_text(given.value), {"key": kept.key, "version": kept.version})


async def _fail(given: FailArguments, _context: Context, _by: Identity) -> StageOutcome:
    raise BuiltinFailed(given.message)


def _as_wanted(name: BuiltinName, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A text may have become something else when it was filled in, and is made one again."""
    texts = {"text", "message", "key", "name", "channel"}
    if name is BuiltinName.MESSAGE and isinstance(arguments.get("to"), str):
        arguments = {**arguments, "to": [arguments["to"]]}
    return {key: as_text(value) if key in texts and value is not None else value for key, value in arguments.items()}


def _done(output: str, data: Any = None) -> StageOutcome:
    return StageOutcome(status=StageStatus.COMPLETED, output=output[:OUTPUT_CHARS], data=data)


_TABLE: Mapping[BuiltinName, Callable[[Any, Context, Identity], Awaitable[StageOutcome]]] = {
    BuiltinName.FORMAT: _format,
    BuiltinName.MESSAGE: _message,
    BuiltinName.NOTE: _note,
    BuiltinName.KV_SET: _kv_set,
    BuiltinName.FAIL: _fail,
}
