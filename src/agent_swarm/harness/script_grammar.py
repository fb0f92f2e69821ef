"""The language of the script agent, and its parser. Pure.

One step per line; blank lines and lines that begin with `#` mean nothing. Where a form shows <<END the text follows
on the next lines, up to a line that is only that word (any word will do). Steps run in order; the first that fails
ends the script.

    say TEXT                         speak                               (TEXT may be <<END)
    run COMMAND                      sh -c COMMAND in the workspace; a non-zero exit fails the task  (may be <<END)
    try run COMMAND                  the same, but a non-zero exit is only reported
    write PATH <<END                 write a file of the workspace
    append PATH <<END                add to one
    commit MESSAGE                   git add -A and git commit; nothing to commit is fine
    progress [N%] TEXT               report progress
    usage input=N output=N [cost=0.01] [model=NAME]     report tokens and money spent since the last report
    sleep SECONDS                    wait
    wait-for FILE                    wait until the file exists
    fail [agent|infrastructure|policy] MESSAGE          fail the task; class agent unless said otherwise
    limit SECONDS MESSAGE            end as if the provider of a model refused for so long; 0: it does not say how long
    fail-until-attempt N MESSAGE     fail while AGENT_SWARM_ATTEMPT is below N
    create-task JSON                 POST the object to /api/tasks       (JSON may be <<END)
    create-tasks JSON                POST the array to /api/tasks/batch  (JSON may be <<END)
    wait-tasks [into PATH]           stop until the tasks below have ended, and say what came of them; `into`: as JSON
    attach PATH                      leave a file of the workspace with the task, under its name
    message TO TEXT                  POST to /api/messages; TO: an agent, #channel, all, or - for an answer
    wait-message [SECONDS]           wait for a message and say it; without one the task fails
    read-messages [N]                say what is unread, N at most, and mark it as read
    ask [into PATH] JSON             POST the object to /api/approvals and wait for the answer; a no fails the task
                                     with class policy; PATH gets the whole of it   (JSON may be <<END)
    result TEXT                      the task's result; else it is the last thing said  (TEXT may be <<END)
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_HEREDOC = re.compile(r"(?:(?P<before>.*?)\s+)?<<(?P<word>[A-Za-z_]\w*)")
_PERCENT = re.compile(r"(?P<percent>\d{1,3})%(?:\s+|$)")
_FAILURE_CLASSES = ("agent", "infrastructure", "policy")


class ScriptError(Exception):
    """The script is not one. Says which line, what stands there and what was expected."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `arguments` are those of its verb, checked and converted."""

    line: int
    verb: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """What a verb takes: how to write it, and how its text (and the lines of its <<END) become arguments."""

    usage: str
    parse: Callable[[str, str | None], Mapping[str, Any]]


def parse(script: str) -> list[Step]:
    """The steps of a script. Raises ScriptError at the first line that is none."""
    lines = iter(enumerate(script.replace("\r\n", "\n").split("\n"), start=1))
    return [
        _step(number, text.strip(), lines)
        for number, text in lines
        if text.strip() and not text.lstrip().startswith("#")
    ]


def _step(number: int, text: str, lines: Iterator[tuple[int, str]]) -> Step:
    verb, _, rest = text.partition(" ")
    if verb == "try" and rest.strip().startswith("run "):
        verb, rest = "try run", rest.strip().removeprefix("run ")
    form = FORMS.get(verb)
    if form is None:
        raise ScriptError(f"line {number}: unknown step {verb!r}; expected one of: {', '.join(FORMS)}")
    rest, body = rest.strip(), None
    if "<<END" in form.usage and (heredoc := _HEREDOC.fullmatch(rest)):
        rest = heredoc["before"] or ""
        body = _body(number, text, heredoc["word"], lines)
    try:
        return Step(number, verb, form.parse(rest, body))
    except ValueError as exc:
        detail = f" ({exc})" if str(exc) else ""
        raise ScriptError(f"line {number}: cannot read {text!r}{detail}; expected: {form.usage}") from exc


def _body(number: int, text: str, word: str, lines: Iterator[tuple[int, str]]) -> str:
    body: list[str] = []
    for _, line in lines:
        if line.strip() == word:
            return "".join(f"{part}\n" for part in body)
        body.append(line)
    raise ScriptError(f"line {number}: {text!r} has no end; expected a line further down that is only {word}")


def _text(rest: str, body: str | None) -> Mapping[str, Any]:
    if bool(rest) == (body is not None):
        raise ValueError("text is missing" if body is None else "text on the line and below it")
    return {"text": rest if body is None else body.removesuffix("\n")}


def _file(rest: str, body: str | None) -> Mapping[str, Any]:
    if not rest or body is None:
        raise ValueError("a path and <<END, then the text, then END")
    return {"path": rest, "text": body}


def _progress(rest: str, body: str | None) -> Mapping[str, Any]:
    match = _PERCENT.match(rest)
    if match is None:
        return _text(rest, body)
    if int(match["percent"]) > 100:
        raise ValueError("more than 100%")
    return {"text": rest[match.end() :], "percent": int(match["percent"])}


def _usage(rest: str, body: str | None) -> Mapping[str, Any]:
    given = dict(_pair(word) for word in rest.split())
    amounts: dict[str, Any] = {
        "inputTokens": _count(given.pop("input", "")),
        "outputTokens": _count(given.pop("output", "")),
    }
    if "cost" in given:
        amounts["costUsd"] = _amount(given.pop("cost"))
    if "model" in given:
        amounts["model"] = given.pop("model")
    if given:
        raise ValueError(f"unknown: {', '.join(given)}")
    return amounts


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"{word!r} has no =")
    return name, value


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a count")
    return int(text)


def _amount(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(f"{text!r} is not an amount")
    return value


def _seconds(rest: str, body: str | None) -> Mapping[str, Any]:
    return {"seconds": _amount(rest)}


def _path(rest: str, body: str | None) -> Mapping[str, Any]:
    if not rest:
        raise ValueError("a file is missing")
    return {"path": rest}


def _failure(rest: str, body: str | None) -> Mapping[str, Any]:
    first, _, others = rest.partition(" ")
    if first in _FAILURE_CLASSES:
        return {"failure": first, **_text(others.strip(), None)}
    return {"failure": "agent", **_text(rest, None)}


def _limit(rest: str, body: str | None) -> Mapping[str, Any]:
    seconds, _, text = rest.partition(" ")
    return {**_seconds(seconds, None), **_text(text.strip(), body)}


def _failure_until(rest: str, body: str | None) -> Mapping[str, Any]:
    attempt, _, message = rest.partition(" ")
    return {"attempt": _count(attempt), **_text(message.strip(), None)}


def _task(rest: str, body: str | None) -> Mapping[str, Any]:
    return {"task": _object(json.loads(_text(rest, body)["text"]))}


def _tasks(rest: str, body: str | None) -> Mapping[str, Any]:
    tasks = json.loads(_text(rest, body)["text"])
    if not isinstance(tasks, list):
        raise ValueError("not a JSON array")
    return {"tasks": [_object(task) for task in tasks]}


def _message(rest: str, body: str | None) -> Mapping[str, Any]:
    to, _, text = rest.partition(" ")
    if not to:
        raise ValueError("whom it is for is missing")
    return {"to": to, **_text(text.strip(), body)}


def _patience(rest: str, body: str | None) -> Mapping[str, Any]:
    return {"seconds": _amount(rest) if rest else 60.0}


def _at_most(rest: str, body: str | None) -> Mapping[str, Any]:
    return {"limit": _count(rest) if rest else 50}


def _question(rest: str, body: str | None) -> Mapping[str, Any]:
    path = ""
    if rest.startswith("into "):
        path, _, rest = rest.removeprefix("into ").strip().partition(" ")
        if not path or path.startswith("{"):
            raise ValueError("a path after into")
    return {"question": _object(json.loads(_text(rest.strip(), body)["text"])), "path": path}


def _into(rest: str, body: str | None) -> Mapping[str, Any]:
    word, _, path = rest.partition(" ")
    if rest and (word != "into" or not path.strip()):
        raise ValueError("nothing, or into and a path")
    return {"path": path.strip()}


def _object(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not a JSON object")
    return value


FORMS: Mapping[str, Form] = {
    "say": Form("say TEXT, or say <<END", _text),
    "run": Form("run COMMAND, or run <<END", _text),
    "try run": Form("try run COMMAND, or try run <<END", _text),
    "write": Form("write PATH <<END", _file),
    "append": Form("append PATH <<END", _file),
    "commit": Form("commit MESSAGE", _text),
    "progress": Form("progress [N%] TEXT", _progress),
    "usage": Form("usage input=N output=N [cost=0.01] [model=NAME]", _usage),
    "sleep": Form("sleep SECONDS", _seconds),
    "wait-for": Form("wait-for FILE", _path),
    "fail": Form("fail [agent|infrastructure|policy] MESSAGE", _failure),
    "limit": Form("limit SECONDS MESSAGE", _limit),
    "fail-until-attempt": Form("fail-until-attempt N MESSAGE", _failure_until),
    "create-task": Form("create-task JSON, or create-task <<END", _task),
    "create-tasks": Form("create-tasks JSON, or create-tasks <<END", _tasks),
    "wait-tasks": Form("wait-tasks [into PATH]", _into),
    "attach": Form("attach PATH", _path),
    "message": Form("message TO TEXT, or message TO <<END", _message),
    "wait-message": Form("wait-message [SECONDS]", _patience),
    "read-messages": Form("read-messages [N]", _at_most),
    "ask": Form("ask [into PATH] JSON, or ask [into PATH] <<END", _question),
    "result": Form("result TEXT, or result <<END", _text),
}
