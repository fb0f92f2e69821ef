"""What the script agent can do: one method per verb of `script_grammar`.

Runs inside the agent's own process, next to nothing else: standard library only, one thread. SIGINT raises Interrupted
wherever a step waits.
"""

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from agent_swarm.harness.script_grammar import Step
from agent_swarm.harness.script_inbox import Inbox

_OUTPUT_BYTES = 16_000  # of a command's output, the last of it
_REPLY_BYTES = 8 * 1024 * 1024
_MESSAGE_ID = re.compile(r'<message id="([0-9a-f-]{36})"')
_POLL_SECONDS = 0.02
_KILL_AFTER_SECONDS = 1.0  # between SIGTERM and SIGKILL to an interrupted command
_HTTP_SECONDS = 30.0
_ANSWER_WAIT_SECONDS = 20  # of one request for an answer
_ASK_AGAIN_SECONDS = 0.2
_PAGE = 100

Tell = Callable[[str, Mapping[str, Any]], None]


class Interrupted(BaseException):
    """SIGINT came. No KeyboardInterrupt: `Popen.wait` would sit on that for a quarter of a second."""


class Steered(Interrupted):
    """A message came that is to be read at once: the running step ends, and the script goes on."""


class StepFailed(Exception):
    """A step did not work; ends the script."""

    def __init__(self, message: str, *, code: str, failure: str = "agent", retry_at: float | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at  # Unix seconds
        self.code = code
        self.failure = failure


@dataclass(kw_only=True)
class Steps:
    """Performs steps in a workspace and tells about it. `result` is what the task answers."""

    workspace: Path
    session: str
    tell: Tell
    env: Mapping[str, str]
    inbox: Inbox | None = None
    result: str = ""
    has_result: bool = False
    _index: int = field(default=0, init=False)
    _is_at_work: bool = field(default=False, init=False)
    _last_message: str = field(default="", init=False)

    def perform(self, index: int, step: Step) -> None:
        """Do one step; `index` is its place in the script. Raises StepFailed or Interrupted."""
        self._index = index
        self._is_at_work = True
        try:
            getattr(self, "_" + step.verb.replace("-", "_").replace(" ", "_"))(**step.arguments)
        finally:
            self._is_at_work = False

    def steer(self) -> None:
        """A message came that is to be read at once."""
        if self._is_at_work:
            self._is_at_work = False
            raise Steered

    def _message(self, to: str, text: str) -> None:
        if to == "-":
            way: dict[str, Any] = {"replyTo": self._last_message}
        elif to == "all":
            way = {"broadcast": True}
        else:
            way = {"channel": to} if to.startswith("#") else {"to": [to]}
        self._post("message", "/api/messages", {"text": text, **way})

    def _wait_message(self, seconds: float) -> None:
        text = self.inbox.take(seconds) if self.inbox else None
        if text is None:
            raise StepFailed(f"no message came within {seconds:g} s", code="noMessage")
        self._hear(text)

    def _hear(self, text: str) -> None:
        named = _MESSAGE_ID.findall(text)
        self._last_message = named[-1] if named else self._last_message
        self._say(text)

    def _read_messages(self, limit: int) -> None:
        page = json.loads(self._call("read-messages", "GET", f"/api/messages?unread=true&limit={limit}", None))
        unread = list(reversed(page["messages"]))
        for one in unread:
            self._say(f"{one['senderName']}: {one['text']}")
        if unread:
            self._last_message = unread[-1]["id"]
            self._post("mark-read", "/api/messages/read", {"ids": [one["id"] for one in unread]})

    def _say(self, text: str) -> None:
        self.tell("text", {"text": text})
        if not self.has_result:
            self.result = text

    def _result(self, text: str) -> None:
        self.result, self.has_result = text, True

    def _progress(self, **report: Any) -> None:
        self.tell("progress", report)

    def _usage(self, **amounts: Any) -> None:
        self.tell("usage", amounts)

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _wait_for(self, path: str) -> None:
        while not (self.workspace / path).exists():
            time.sleep(_POLL_SECONDS)

    def _fail(self, failure: str, text: str) -> None:
        raise StepFailed(text, code="fail", failure=failure)

    def _limit(self, seconds: float, text: str) -> None:
        retry_at = time.time() + seconds if seconds else None
        raise StepFailed(text, code="rateLimit", failure="infrastructure", retry_at=retry_at)

    def _fail_until_attempt(self, attempt: int, text: str) -> None:
        if int(self.env.get("AGENT_SWARM_ATTEMPT") or 1) < attempt:
            raise StepFailed(text, code="fail")

    def _run(self, text: str) -> None:
        exit_code = self._command("run", ["sh", "-c", text], {"command": text})
        if exit_code != 0:
            raise StepFailed(f"{text!r} ended with {describe(exit_code)}", code="exitCode")

    def _try_run(self, text: str) -> None:
        self._command("run", ["sh", "-c", text], {"command": text})

    def _write(self, path: str, text: str) -> None:
        self._put(path, text, "w")

    def _append(self, path: str, text: str) -> None:
        self._put(path, text, "a")

    def _put(self, path: str, text: str, mode: str) -> None:
        target = self._inside(path)
        with self._tool("write" if mode == "w" else "append", {"path": path}) as answer:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open(mode, encoding="utf-8", newline="") as file:
                    file.write(text)
            except OSError as exc:
                raise StepFailed(f"cannot write {path!r}: {exc.strerror}", code="writeFailed") from exc
            answer(f"{len(text)} characters")

    def _inside(self, path: str) -> Path:
        root = self.workspace.resolve()
        target = (root / path).resolve()  # follows links: one that leads out is an escape like any other
        if target == root or not target.is_relative_to(root):
            message = f"{path!r} leads to {str(target)!r}; expected a file inside the workspace {str(root)!r}"
            raise StepFailed(message, code="pathEscape", failure="policy")
        return target

    def _commit(self, text: str) -> None:
        if self._command("git", ["git", "add", "-A"], {"command": "git add -A"}) != 0:
            raise StepFailed("git add -A failed; is the workspace a git repository?", code="commitFailed")
        if self._succeeds("git", "diff", "--cached", "--quiet"):
            return  # nothing to commit: done before an interrupt, or there was no change
        identity = ["-c", "user.name=Script Agent", "-c", "user.email=script@agent-swarm.invalid"]
        is_known = self._succeeds("git", "var", "GIT_COMMITTER_IDENT")
        command = ["git", *([] if is_known else identity), "commit", "-m", text]
        if self._command("git", command, {"command": f"git commit -m {text!r}"}) != 0:
            raise StepFailed(f"git commit of {text!r} failed", code="commitFailed")

    def _succeeds(self, *argv: str) -> bool:
        quiet = subprocess.DEVNULL
        ended = subprocess.run(
            argv, cwd=self.workspace, env=self.env, stdin=quiet, stdout=quiet, stderr=quiet, check=False
        )
        return ended.returncode == 0

    def _create_task(self, task: Mapping[str, Any]) -> None:
        self._post("create-task", "/api/tasks", task)

    def _create_tasks(self, tasks: list[Mapping[str, Any]]) -> None:
        self._post("create-tasks", "/api/tasks/batch", {"tasks": tasks})

    def _attach(self, path: str) -> None:
        target = self._inside(path)
        try:
            content = target.read_bytes()
        except OSError as exc:
            raise StepFailed(f"cannot read {path!r}: {exc.strerror}", code="readFailed") from exc
        body = json.dumps({"base64": base64.b64encode(content).decode("ascii")}).encode()
        where = f"/api/tasks/{self.env.get('AGENT_SWARM_TASK_ID', '')}/attachments/{quote(target.name, safe='')}"
        with self._tool("attach", {"path": path}) as answer:
            _send(self._request("PUT", where, body=body))
            answer(f"{len(content)} bytes")

    def _ask(self, question: Mapping[str, Any], path: str) -> None:
        """Ask people and wait. Asked again after a pause, by this attempt or a later one, it is the same question."""
        target = self._inside(path) if path else None
        body = json.dumps(question, sort_keys=True).encode()
        key = f"ask-{self._index}-{hashlib.sha256(body).hexdigest()[:32]}"
        with self._tool("ask", question) as answer:
            asked = json.loads(_send(self._request("POST", "/api/approvals", body=body, key=key)))
            while asked["status"] == "open":
                time.sleep(_ASK_AGAIN_SECONDS)
                path_of_it = f"/api/approvals/{asked['id']}?waitSeconds={_ANSWER_WAIT_SECONDS}"
                asked = json.loads(_send(self._request("GET", path_of_it)))
            answer(json.dumps({"status": asked["status"], "answers": asked["answers"], "comment": asked["comment"]}))
        if target is not None:
            self._put(path, json.dumps(asked, indent=2) + "\n", "w")
        if asked["status"] != "answered":
            message = f"{asked['title']!r} is {asked['status']}" + (f": {asked['comment']}" if asked["comment"] else "")
            raise StepFailed(message, code="denied", failure="policy")

    def _wait_tasks(self, path: str) -> None:
        """Wait for the tasks below. Where the task is paused for that, this attempt or a later one does it again."""
        target = self._inside(path) if path else None
        own = self.env.get("AGENT_SWARM_TASK_ID", "")
        with self._tool("wait-tasks", {}) as answer:
            while (below := self._below(own)) and any(task["finishedAt"] is None for task in below):
                _send(self._request("POST", f"/api/tasks/{own}/wait"))
                time.sleep(_ASK_AGAIN_SECONDS)
            told = [_came_to(task) for task in reversed(below)]
            answer("\n".join(f"{one['status']}: {one['title']}: {one['text']}" for one in told))
        if target is not None:
            self._put(path, json.dumps(told, indent=2) + "\n", "w")

    def _below(self, task_id: str) -> list[dict[str, Any]]:
        """The tasks directly below, the latest first."""
        path, found, cursor = f"/api/tasks?parent={task_id}&limit={_PAGE}", [], ""
        while cursor is not None:
            page = json.loads(_send(self._request("GET", path + (f"&cursor={cursor}" if cursor else ""))))
            found += page["tasks"]
            cursor = page["nextCursor"]
        return found

    def _post(self, tool: str, path: str, body: Mapping[str, Any]) -> None:
        self._call(tool, "POST", path, body)

    def _call(self, tool: str, method: str, path: str, body: Mapping[str, Any] | None) -> str:
        key = f"{self.session}-{self._index}"  # a step that is done again after a resume
        request = self._request(method, path, body=None if body is None else json.dumps(body).encode(), key=key)
        with self._tool(tool, body or {}) as answer:
            got = _send(request)
            answer(got[-_OUTPUT_BYTES:])
        return got

    def _request(self, method: str, path: str, *, body: bytes | None = None, key: str = "") -> urllib.request.Request:
        """A request to the server, as this attempt."""
        server, token = self.env.get("AGENT_SWARM_URL"), self.env.get("AGENT_SWARM_TOKEN")
        if not server or not token:
            message = (
                "AGENT_SWARM_URL and AGENT_SWARM_TOKEN are not set; expected a worker that offers its server to agents"
            )
            raise StepFailed(message, code="noServer", failure="infrastructure")
        if not server.startswith(("http://", "https://")):
            message = f"AGENT_SWARM_URL is {server!r}; expected an address that begins with http:// or https://"
            raise StepFailed(message, code="noServer", failure="infrastructure")
        return urllib.request.Request(  # noqa: S310 - the scheme was checked above
            server.rstrip("/") + path,
            method=method,
            data=body,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": key},
        )

    def _command(self, tool: str, argv: list[str], shown: Mapping[str, Any]) -> int:
        """Run a program in the workspace, tell its output; its exit code, negative for a signal."""
        with self._tool(tool, shown) as answer, tempfile.TemporaryFile() as output:
            # A file, not a pipe: a daemon that the command leaves behind would keep a pipe open.
            try:
                process = subprocess.Popen(
                    argv,
                    cwd=self.workspace,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as exc:
                raise StepFailed(f"cannot start {argv[0]!r}: {exc.strerror}", code="startFailed") from exc
            try:
                exit_code = process.wait()
            except Interrupted:
                _end(process)
                raise
            answer(_tail(output.fileno()), ok=exit_code == 0)
            return exit_code

    @contextmanager
    def _tool(self, name: str, shown: Mapping[str, Any]) -> Iterator[Callable[..., None]]:
        """Tell of a tool call and of its result, whichever way it ends. The block gives its output to what it gets."""
        call = f"step-{self._index}-{time.monotonic_ns()}"
        said = {"ok": True, "output": ""}

        def answer(output: str, *, ok: bool = True) -> None:
            said.update(ok=ok, output=output)

        self.tell("toolCall", {"id": call, "name": name, "input": dict(shown)})
        try:
            yield answer
        except Interrupted:
            said.update(ok=False, output="interrupted")
            raise
        except StepFailed as exc:
            said.update(ok=False, output=str(exc))
            raise
        finally:
            self.tell("toolResult", {"id": call, **said})


def _came_to(task: Mapping[str, Any]) -> dict[str, str]:
    """What a script needs of a task that has ended."""
    told = task["result"] or task["failure"] or {}
    return {
        "id": task["id"],
        "title": task["title"],
        "status": task["status"],
        "branch": told.get("branch") or "",
        "commit": told.get("commit") or "",
        "text": told.get("text") or told.get("message") or "",
    }


def describe(exit_code: int) -> str:
    """Such as `exit code 3` or `signal 9`."""
    return f"exit code {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"


def _send(request: urllib.request.Request) -> str:
    """POST and return the answer's text; what the server refuses is the agent's fault, what it cannot do is not."""
    try:
        with urllib.request.urlopen(request, timeout=_HTTP_SECONDS) as reply:  # noqa: S310 - checked by _post
            return str(reply.read(_REPLY_BYTES).decode("utf-8", errors="replace"))
    except urllib.error.HTTPError as exc:
        failure = "infrastructure" if exc.code >= 500 else "agent"
        message = f"{request.selector} answered {exc.code}: {_server_message(exc)}"
        raise StepFailed(message, code="refused", failure=failure) from exc
    except OSError as exc:  # URLError is one: refused, reset, timed out
        message = f"cannot reach {request.full_url}: {getattr(exc, 'reason', exc)}"
        raise StepFailed(message, code="unreachable", failure="infrastructure") from exc


def _server_message(exc: urllib.error.HTTPError) -> str:
    """`error.message` and `error.hint` of our error shape; of any other answer, its beginning."""
    body = exc.read(_OUTPUT_BYTES).decode("utf-8", errors="replace")
    try:
        error = json.loads(body)["error"]
        return "; ".join(part for part in (error["message"], error.get("hint")) if part)
    except (ValueError, TypeError, KeyError):
        return body[:500]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End an interrupted command and its process group; what left the group is the sandbox's to find."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_KILL_AFTER_SECONDS)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _tail(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, _OUTPUT_BYTES, max(0, size - _OUTPUT_BYTES)).decode("utf-8", errors="replace")
