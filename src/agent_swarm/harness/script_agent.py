"""The script agent: a small deterministic agent that does what the script in its prompt says, without a model.

    python -I -m agent_swarm.harness.script_agent --workspace DIR --state-dir DIR [--session ID]  < script

The language is described in `script_grammar`. The agent writes one JSON object per line to standard output:

    {"type": "started", "session": ID}
    {"type": "text", "text"}                           {"type": "progress", "text", "percent"?}
    {"type": "toolCall", "id", "name", "input"}        {"type": "toolResult", "id", "ok", "output"}
    {"type": "usage", "inputTokens", "outputTokens", "costUsd"?, "model"?}
    {"type": "received", "id"}                         it has a message
    {"type": "result", "ok": true, "result"}           the terminal event, in every case the last line
    {"type": "result", "ok": false, "class", "code", "message", "result", "retryAt"}

SIGINT ends the running step and the script with code `interrupted`. Which step is next is kept in the state directory
under the session's id, so that the same script with the same session goes on with the step that was not finished.
That one is done again from its beginning. Another script with the same session begins at its own first step.
"""

import argparse
import hashlib
import json
import os
import re
import signal
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from agent_swarm.harness.script_grammar import ScriptError, Step, parse
from agent_swarm.harness.script_inbox import STEER, Inbox, Told
from agent_swarm.harness.script_steps import Interrupted, Steered, StepFailed, Steps

_told = Told()
_SESSION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # it becomes a file name, and comes from outside


def main() -> int:
    """Follow the script on standard input; 0 when it succeeded. Only the terminal event counts."""
    signal.signal(signal.SIGINT, _raise_interrupted)
    signal.signal(STEER, lambda *_: _steps.steer() if _steps else None)
    arguments = _arguments()
    resumed = arguments.session or ""
    session = resumed if _SESSION.fullmatch(resumed) else str(uuid.uuid4())
    try:
        tell("started", {"session": session})
        inbox = Inbox(sys.stdin.buffer, tell)
        if arguments.messages:
            inbox.open()
            script = inbox.script
        else:
            script = sys.stdin.buffer.read().decode("utf-8", errors="replace")
        progress = Progress(arguments.state_dir, session, script)
        steps = Steps(
            workspace=arguments.workspace,
            session=session,
            tell=tell,
            env=dict(os.environ),
            inbox=inbox,
            result=progress.result,
            has_result=progress.has_result,
        )
        return follow(parse(script), steps, progress)
    except ScriptError as exc:
        return _failed("policy", "invalidScript", str(exc))
    except Interrupted:
        return _failed("infrastructure", "interrupted", "interrupted between two steps")


_steps: Steps | None = None  # that are being done: whom an interrupt is for


def follow(script: list[Step], steps: Steps, progress: "Progress") -> int:
    """Do what is left of the script and tell how it ended."""
    global _steps  # noqa: PLW0603 - a signal handler has no arguments of ours
    _steps = steps
    for index, step in enumerate(script):
        if index < progress.next_step:
            continue
        try:
            steps.perform(index, step)
            progress.save(index + 1, steps)
        except Steered:
            progress.save(index + 1, steps)  # the message is more important than the rest of this step
        except StepFailed as exc:
            return _failed(exc.failure, exc.code, f"line {step.line}: {exc}", steps.result, retry_at=exc.retry_at)
        except Interrupted:
            message = f"interrupted at line {step.line}: {step.verb}"
            return _failed("infrastructure", "interrupted", message, steps.result)
    tell("result", {"ok": True, "result": steps.result})
    return 0


class Progress:
    """How far a session has come with a script, kept in a file."""

    def __init__(self, state_dir: Path, session: str, script: str) -> None:
        self._path = state_dir / f"script-{session}.json"
        self._digest = hashlib.sha256(script.encode()).hexdigest()
        saved = self._read()
        is_same_script = saved.get("script") == self._digest
        self.next_step = int(saved["next"]) if is_same_script else 0
        self.result = str(saved["result"]) if is_same_script else ""
        self.has_result = bool(saved["hasResult"]) if is_same_script else False

    def save(self, next_step: int, steps: Steps) -> None:
        """Everything before `next_step` is done."""
        state = {"script": self._digest, "next": next_step, "result": steps.result, "hasResult": steps.has_result}
        with uninterrupted():
            unfinished = self._path.with_suffix(".new")
            unfinished.write_text(json.dumps(state))
            unfinished.replace(self._path)

    def _read(self) -> dict[str, Any]:
        try:
            saved = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return saved if isinstance(saved, dict) else {}


def tell(kind: str, data: Mapping[str, Any]) -> None:
    """Write one event as one whole line."""
    with uninterrupted():
        _told(json.dumps({"type": kind, **data}) + "\n")


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back SIGINT for a moment: half a line or half a file would be worse than a late interrupt."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, STEER})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _raise_interrupted(*_: object) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one must not disturb the end
    raise Interrupted


def _failed(failure: str, code: str, message: str, result: str = "", *, retry_at: float | None = None) -> int:
    told = {"class": failure, "code": code, "message": message, "result": result, "retryAt": retry_at}
    tell("result", {"ok": False, **told})
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script_agent", description="Follow the script on standard input.")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--messages", action="store_true", help="input is lines: the script, then messages")
    parser.add_argument("--session", help="go on with this session")
    return parser.parse_args()


def _leave(code: int) -> NoReturn:
    """End at once: a thread that still reads the input would have the interpreter abort on its way out."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
