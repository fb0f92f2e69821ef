"""What answers where no script does: an agent that follows steps written in its prompt, else an echo.

Steps stand in a fenced block of the language `steps`; their words are those of the script harness:

    run COMMAND          a call of the tool Bash                            (COMMAND may be <<END)
    write PATH <<END     a Bash call that writes the lines down to END into the file
    call TOOL JSON       a call of any tool, for example of an MCP server   (JSON may be <<END)
    say TEXT             speak; together with the next call, or as the last word   (TEXT may be <<END)

Blank lines and lines that begin with `#` mean nothing. Each call is made when the one before it was answered; when a
tool reports an error the agent says so and stops. What the user says meanwhile it confirms, and goes on. After the
last step it says what `say` left to say, else `done`.
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent_swarm.testing.model_server.replies import Block, Call, Content, Message, Say
from agent_swarm.testing.model_server.requests import ModelRequest

_FENCE = re.compile(r"^[ \t]*```steps[ \t]*\n(?P<steps>.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"(?:(?P<before>.*?)\s+)?<<(?P<word>[A-Za-z_]\w*)")
FORMS = ("run COMMAND", "write PATH <<END", "call TOOL JSON", "say TEXT")


class StepsError(ValueError):
    """The steps in a prompt are none. Says which line, what stands there and what was expected."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the agent answers at once: some words, then one call; only the last stage has no call."""

    words: tuple[str, ...]
    call: Call | None


def echo(request: ModelRequest) -> Content:
    """`you said: …`."""
    return Say(f"you said: {request.prompt}")


def follow_steps(request: ModelRequest) -> Content:
    """The next step of the ones in the prompt; an echo where it has none."""
    found = _FENCE.search(request.prompt)
    if found is None:
        return echo(request)
    try:
        stages = parse_steps(found["steps"])
    except StepsError as exc:
        return Say(f"cannot follow the steps: {exc}")
    results = request.results
    if results and results[-1].is_error:
        return Say(f"stopped: step {len(results)} failed: {results[-1].text}")
    stage = stages[min(len(results), len(stages) - 1)]
    heard = [f"heard: {text}" for text in request.interjections]
    words: list[Block] = [Say(text) for text in (*heard, *stage.words)]
    if stage.call is not None:
        return Message([*words, stage.call])
    return Message(words or [Say("done")])


def parse_steps(text: str) -> list[Stage]:
    """The stages of some steps, at least one. Raises StepsError at the first line that is none."""
    stages: list[Stage] = []
    words: list[str] = []
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        verb, rest, body = _parts(number, line.strip(), lines)
        if verb == "say":
            words.append(rest or body)
        else:
            stages.append(Stage(tuple(words), _call(number, verb, rest, body)))
            words = []
    return [*stages, Stage(tuple(words), None)]


def _parts(number: int, line: str, lines: Iterator[tuple[int, str]]) -> tuple[str, str, str]:
    """Verb, what follows it on the line, and the lines of its <<END."""
    verb, _, rest = line.partition(" ")
    heredoc = _HEREDOC.fullmatch(rest.strip())
    if heredoc is None:
        return verb, rest.strip(), ""
    body: list[str] = []
    for _, text in lines:
        if text.strip() == heredoc["word"]:
            return verb, heredoc["before"] or "", "\n".join(body)
        body.append(text)
    raise StepsError(f"line {number}: {line!r} has no end; expected a line that is only {heredoc['word']}")


def _call(number: int, verb: str, rest: str, body: str) -> Call:
    match verb:
        case "run" if rest or body:
            return _bash(rest or body)
        case "write" if rest:
            return _bash(f"printf %s {shlex.quote(body + chr(10))} > {shlex.quote(rest)}")
        case "call" if rest:
            tool, _, given = rest.partition(" ")
            return Call(tool, _json(number, given or body))
    raise StepsError(f"line {number}: {verb!r} is no step; expected one of: {', '.join(FORMS)}")


def _bash(command: str) -> Call:
    return Call("Bash", {"command": command, "description": "Run a step"})


def _json(number: int, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError as exc:
        raise StepsError(f"line {number}: {text!r} is no JSON ({exc}); expected: call TOOL JSON") from exc
    if not isinstance(value, dict):
        raise StepsError(f"line {number}: {text!r} is no object; expected: call TOOL JSON")
    return value
