"""The host's editor, lent to a person's SSH session: `code PATH` in the guest has it opened here.

In the guest a pipe is read as long as the session's sshd runs (`guest/sshd.sh`), and what is written to it comes on
that command's standard error, each line marked: no channel, port or socket besides. Whoever is in the guest may say
anything there, so a line is a request for one absolute path or nothing, one at a time, with a pause after each.
"""

import os
import posixpath
import queue
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_swarm.domain.errors import SwarmError
from agent_swarm.vm import editor
from agent_swarm.vm.errors import EngineMissing
from agent_swarm.vm.guest import client
from agent_swarm.vm.guest.client import Channel, Sink
from agent_swarm.vm.guest.frames import Command
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.inside import USER
from agent_swarm.vm.names import VmKind, VmRef
from agent_swarm.vm.ssh import VARIABLE_PREFIX

VARIABLE: Final = "AGENT_SWARM_EDITOR"
LINE_BYTES: Final = 4000  # the guest cuts a line one byte behind that, and writes it in one piece
PAUSE_SECONDS: Final = 1.0

_MARK: Final = b"\x1eeditor "
_FOLDERS: Final = "/run/agent-swarm-editor"
_HOOK: Final = f'if [ -d "${{{VARIABLE}:-}}" ]; then PATH="$PATH:${VARIABLE}"; fi'
_SCRIPTS: Final = Path(client.__file__).parent
_REQUEST: Final = re.compile(r"([A-Za-z0-9]{6,12}) (/.*)", re.DOTALL)
# On Windows `code` is a batch file, whose interpreter reads arguments in a way of its own.
_SAFE_IN_BATCH: Final = re.compile(r"[\w/.,+@=~-]+")
_ANSWER: Final = 'test -p "$1" && printf "%s\\n" "$2" 1<> "$1"'  # opened both ways it waits for no reader
_ANSWER_SECONDS: Final = 5.0
_START_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """A guest's wish to have the editor opened at an absolute path of its own; `answer_to` names who waits there."""

    answer_to: str
    path: str


@dataclass(frozen=True, slots=True)
class Way:
    """How one session's requests come: the folder in the guest that its pipe and its `code` lie in."""

    folder: str

    @classmethod
    def new(cls) -> "Way":
        """One that no other session has."""
        return cls(f"{_FOLDERS}/{secrets.token_hex(8)}")

    def command(self, sshd_options: Sequence[str]) -> Command:
        """What runs in the guest in place of sshd alone."""
        sshd, code = ((_SCRIPTS / name).read_text(encoding="utf-8") for name in ("sshd.sh", "code.sh"))
        return Command(argv=["sh", "-c", sshd, "sh", self.folder, USER, code, _HOOK, *sshd_options], env={})

    @property
    def exports(self) -> str:
        """What a session's first shell does, so that its programs find `code`, behind any of the guest's own."""
        folder = self.folder
        return f'if [ -p {folder}/ask ]; then export {VARIABLE}={folder} PATH="$PATH:{folder}"; fi'


def request_of(line: bytes, *, by_batch: bool) -> Request | None:
    """What a line from the pipe asks for; None where it is anything but a request that can be carried out safely.

    `by_batch`: the editor's command is a batch file of Windows.
    """
    if len(line) > LINE_BYTES:
        return None
    try:
        found = _REQUEST.fullmatch(line.decode("utf-8"))
    except UnicodeDecodeError:
        return None
    if found is None or not found[2].isprintable():
        return None
    path = posixpath.normpath("/" + found[2].lstrip("/"))  # two slashes would begin a host's name
    return None if by_batch and not _SAFE_IN_BATCH.fullmatch(path) else Request(found[1], path)


class Listener:
    """Tells requests from the errors that a session's sshd prints; `take` gets the guest's bytes as they come.

    Requests are carried out one after the other by a thread, with a `pause` after each; while one waits, the rest is
    dropped. Errors go on to `errors`, line by line and without what would steer a terminal.
    """

    def __init__(
        self,
        carry_out: Callable[[Request], object],
        errors: Sink,
        *,
        pause: Callable[[float], object] = time.sleep,
        by_batch: bool = sys.platform == "win32",
    ) -> None:
        self._carry_out = carry_out
        self._errors = errors
        self._pause = pause
        self._by_batch = by_batch
        self._unread = b""
        self._waiting: queue.Queue[Request] = queue.Queue(maxsize=1)
        threading.Thread(target=self._work, name="lent editor", daemon=True).start()

    def take(self, data: bytes) -> None:
        """More of what the guest says."""
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._hear(line)
        if len(self._unread) > 2 * LINE_BYTES:
            self.finish()

    def finish(self) -> None:
        """No more is said: what is no whole line is one now."""
        if self._unread:
            self._hear(self._unread)
        self._unread = b""

    def _hear(self, line: bytes) -> None:
        if not line.startswith(_MARK):
            text = line.decode("utf-8", "replace")
            self._errors("".join(char for char in text if char.isprintable() or char == "\t").encode() + b"\n")
        elif request := request_of(line.removeprefix(_MARK), by_batch=self._by_batch):
            with suppress(queue.Full):
                self._waiting.put_nowait(request)

    def _work(self) -> None:
        while True:
            with suppress(Exception):  # the terminal is the session's: whoever asked hears nothing, and that says it
                self._carry_out(self._waiting.get())
            self._pause(PAUSE_SECONDS)


def open_for_guest(host: VmHost, ref: VmRef, path: str) -> str:
    """Open the editor at a path of the guest; what its `code` is told: `yes`, or `no` and why.

    It says nothing of this host but what is missing here.
    """
    try:
        arguments = editor.command(host, ref, path, config=editor.user_config(), configure=False)
    except EngineMissing as exc:
        return " ".join(f"no on the host: {exc.message}; {exc.hint}".split())
    except (SwarmError, OSError):
        return f"no the host is not ready for it; there, once: {_by_hand(ref)} --configure"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(VARIABLE_PREFIX)}
    silent = subprocess.DEVNULL
    try:
        started = subprocess.Popen(
            arguments, env=environment, stdin=silent, stdout=silent, stderr=silent, start_new_session=True
        )
        code = started.wait(_START_SECONDS)
    except subprocess.TimeoutExpired:
        return "yes"  # it stays in front, as an editor may
    except OSError as exc:
        return f"no on the host: its code cannot be started: {exc.strerror}"
    return "yes" if code == 0 else f"no on the host: its code ended with {code}; there, to see why: {_by_hand(ref)}"


def tell(guest: Channel, request: Request, answer: str) -> None:
    """Give the answer to whoever waits for it in the guest. Raises GuestUnreachable, GuestRefused."""
    guest.bear_silence(2 * _ANSWER_SECONDS)
    words = ["sh", "-c", _ANSWER, "sh", f"/tmp/agent-swarm-code.{request.answer_to}/answer", answer]  # noqa: S108 - there
    command = Command(argv=words, env={}, user=USER, timeout_seconds=_ANSWER_SECONDS)
    guest.run(command, stdout=_ignore, stderr=_ignore)


def _by_hand(ref: VmRef) -> str:
    return f"agent-swarm {'project ' if ref.kind is VmKind.PROJECT else ''}code {ref.name}"


def _ignore(_: bytes) -> None:
    pass
