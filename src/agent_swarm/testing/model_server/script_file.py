"""A script in a JSON file, for a model server in a process of its own.

The file holds a list of steps, each an object with one verb and its options:

    {"say": "text", "usage": {…}}                     {"call": "Bash", "input": {…}, "usage": {…}}
    {"message": [blocks], "usage": {…}, "stop_reason": "…", "model": "…"}         blocks: say, call, think
    {"fail": 529, "kind": "…", "message": "…", "headers": {…}}
    {"cut": {content}, "after": 3}                    {"fail_stream": {content}, "after": 3, "kind": "…"}
    {"slow": {content}, "chunk_seconds": 0.1}         {"hang": true}
    {"garbage": "body", "status": 200, "content_type": "…"}
    {"always": {step}}                                from here on every turn gets this

A content is a `say`, `call` or `message` object. What these mean is said in `replies`.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from agent_swarm.testing.model_server.replies import (
    Always,
    Block,
    Call,
    Content,
    CutStream,
    Fail,
    FailStream,
    Garbage,
    Hang,
    Message,
    Reply,
    Say,
    SlowStream,
    Think,
    Usage,
)

Options = dict[str, Any]


class ScriptFileError(ValueError):
    """The file holds no script. Says which step, what stands there and what was expected."""


def read_script(text: str) -> list[Reply | Always]:
    """The steps of a file. Raises ScriptFileError at the first one that is none."""
    try:
        steps = json.loads(text)
    except ValueError as exc:
        raise ScriptFileError(f"no JSON: {exc}; expected a list of steps") from exc
    if not isinstance(steps, list):
        raise ScriptFileError(f"got {type(steps).__name__}, expected a list of steps")
    return [_numbered(number, step) for number, step in enumerate(steps, start=1)]


def _numbered(number: int, step: object) -> Reply | Always:
    try:
        if isinstance(step, dict) and set(step) == {"always"}:
            return Always(_made(step["always"], REPLIES))
        reply: Reply = _made(step, REPLIES)
        return reply
    except (TypeError, ValueError, KeyError, AttributeError) as exc:
        shown = json.dumps(step)[:200]
        raise ScriptFileError(f"step {number}: cannot read {shown} ({exc}); expected one of: {_verbs()}") from exc


def _made(step: Any, makers: Mapping[str, Callable[[Any, Options], Any]]) -> Any:
    """What the object's verb makes of its value and of the other entries."""
    options = dict(step)
    verb = next(name for name in (*makers, "") if name in options or not name)
    if not verb:
        raise ValueError("unknown step")
    value = options.pop(verb)
    if "usage" in options:
        options["usage"] = Usage(**options["usage"])
    return makers[verb](value, options)


def _message(value: Any, options: Options) -> Message:
    blocks: list[Block] = [_made(block, BLOCKS) for block in value]
    return Message(blocks, **options)


def _content(value: Any) -> Content:
    content: Content = _made(value, CONTENTS)
    return content


BLOCKS: Mapping[str, Callable[[Any, Options], Block]] = {
    "say": lambda value, options: Say(value, **options),
    "call": lambda value, options: Call(value, **options),
    "think": lambda value, options: Think(value, **options),
}
CONTENTS: Mapping[str, Callable[[Any, Options], Content]] = {
    "say": lambda value, options: Say(value, **options),
    "call": lambda value, options: Call(value, **options),
    "message": _message,
}
REPLIES: Mapping[str, Callable[[Any, Options], Reply]] = {
    "fail": lambda value, options: Fail(value, **options),
    "cut": lambda value, options: CutStream(_content(value), **options),
    "fail_stream": lambda value, options: FailStream(_content(value), **options),
    "slow": lambda value, options: SlowStream(_content(value), **options),
    "hang": lambda value, options: Hang(**options),
    "garbage": lambda value, options: Garbage(value.encode(), **options),
    **CONTENTS,  # last: `message` is an option of others too
}


def _verbs() -> str:
    return ", ".join((*REPLIES, "always"))
