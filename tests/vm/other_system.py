"""Another system than this one, as far as a command on VMs can tell; what it starts, and says to whom, is written down.

The commands are the real ones, down to the files that they write. Stood in for is what is outside of the process: the
programs that they start (`qemu-img`, QEMU, ssh, `code`, `ps`), the sockets of QEMU and of the agent in its guest, and
what Python says about the machine. Paths stay those of the machine that tests run on.
"""

import json
import os
import platform
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from agent_swarm.vm import processes
from agent_swarm.vm.egress.doorkeeper import lock_of
from agent_swarm.vm.guest.frames import (
    HEADER,
    NONCE_BYTES,
    SYNC_MAGIC,
    VERSION,
    Frame,
    FrameType,
    decoded,
    encoded,
)
from agent_swarm.vm.locks import file_locked
from agent_swarm.vm.qemu.endpoints import Endpoint
from agent_swarm.vm.qemu.hosts import Architecture, Host, HostSystem
from agent_swarm.vm.qemu.probe_guest import BOOTED_EXIT_CODE

PYTHON: Final = "/python"
_PLATFORMS = {HostSystem.MACOS: ("darwin", "arm64"), HostSystem.WINDOWS: ("win32", "AMD64")}
_FIRST_PID = 5_000_001  # more than Linux ever gives: a signal to it would reach nobody
_FIRST_PORT = 50_001
_HOST_KEY = "ssh-ed25519 AAAA of-the-guest\n"
_MODULES_THAT_ASK = ("qemu.hosts", "processes", "ssh", "egress.doorkeeper")
_OTHERS = ("ssh", "ssh-keygen", "ssh-add", "code")


@dataclass
class FakeQemu:
    """A QEMU that was started, as long as it lives: its words, and the disc that its guest boots with.

    `ends_with_it` is what does not outlive it.
    """

    pid: int
    words: Sequence[str]
    is_alive: bool = True
    ends_with_it: ExitStack = field(default_factory=ExitStack)

    def end(self) -> None:
        """Its power is cut, or its guest has shut down."""
        self.is_alive = False
        self.ends_with_it.close()

    def option(self, name: str) -> str:
        """What stands behind that option."""
        return self.words[self.words.index(name) + 1]

    def listens_at(self, endpoint: Endpoint) -> str | None:
        """The name of the chardev that has this address; None where it has none such, or has ended."""
        for word in self.words if self.is_alive else ():
            found = re.match(r"socket,id=([^,]+),", word)
            if found and f",{endpoint.option}," in word:
                return found[1]
        return None

    def token(self) -> str:
        """What the guest has to write down once it is prepared, by the disc that it was given."""
        disc = next(word for word in self.words if '"node-name": "seed"' in word)
        content = Path(json.loads(disc)["file"]["filename"]).read_bytes()
        found = re.search(rb"echo (\w+) > /opt/agent-swarm/prepared", content)
        assert found is not None
        return found[1].decode()


@dataclass
class OtherSystem:
    """Stands in for macOS or Windows. `transcript` is what happened at its borders, in order."""

    host: Host
    home: Path
    tools: Path
    transcript: list[str] = field(default_factory=list)
    argument_lists: list[Sequence[str]] = field(default_factory=list)
    machines: list[FakeQemu] = field(default_factory=list)
    pids: "count[int]" = field(default_factory=lambda: count(_FIRST_PID))

    # --- programs -------------------------------------------------------------------------------------------------

    def run(self, arguments: Sequence[Any], **how: Any) -> "subprocess.CompletedProcess[Any]":
        """In the place of `subprocess.run`."""
        words = [str(word) for word in arguments]
        environment = how.get("env") or {}
        own = [f"{name}={environment[name]}" for name in ("LC_ALL", "TZ") if name in environment]
        self._started("run", words, [*own, *sorted(name for name in environment if name.startswith("VM_VARIABLE_"))])
        said, code = self._answer(Path(words[0]).name.removesuffix(".exe"), words)
        return subprocess.CompletedProcess(words, code, said if how.get("text") else said.encode(), "")

    def popen(self, arguments: Sequence[Any], **how: Any) -> SimpleNamespace:
        """In the place of `subprocess.Popen`: what lives on when the command has ended."""
        words, pid = [str(word) for word in arguments], next(self.pids)
        self._started("start", words, [])
        assert how["start_new_session"]
        if Path(words[0]).name.startswith("qemu-system-"):
            qemu = FakeQemu(pid, words)
            self.machines.append(qemu)
            Path(qemu.option("-pidfile")).write_text(f"{pid}\n", encoding="ascii")
        elif words[1:3] == ["-m", "agent_swarm.vm.egress.gate"]:  # it says by a lock that it is there
            self.machines[-1].ends_with_it.enter_context(file_locked(lock_of(self.home / "vms" / words[-1])))
        return SimpleNamespace(pid=pid, poll=lambda: None)

    def started(self, pid: int) -> str:
        """In the place of what Windows says about a process."""
        return "0x1db" if any(one.pid == pid and one.is_alive for one in self.machines) else ""

    def _started(self, verb: str, words: Sequence[str], variables: Sequence[str]) -> None:
        self.argument_lists.append(words)
        self._write(f"{verb} {_laid_out(words)}")
        if variables:
            self._write(f"    with {' '.join(variables)} in its environment")

    def _answer(self, program: str, words: Sequence[str]) -> tuple[str, int]:
        if program == "qemu-img":
            return _image_tool(words), 0
        if program.startswith("qemu-system-"):
            return "", BOOTED_EXIT_CODE[self.host.architecture]
        if program == "ssh-keygen":
            key = Path(words[-1])
            key.write_text("private\n", encoding="ascii")
            Path(f"{key}.pub").write_text("ssh-ed25519 AAAA of-the-host\n", encoding="ascii")
        if program == "ssh" and "-G" in words:
            return f"hostkeyalias {words[-1]}\n", 0
        if program == "ps":
            return ("S Mon Jan  1 00:00:00 2024\n", 0) if self.started(int(words[-1])) else ("", 1)
        return "", 0

    # --- sockets --------------------------------------------------------------------------------------------------

    def connect(self, endpoint: Endpoint, timeout: float) -> socket.socket:
        """In the place of `Endpoint.connect`: a connection to whoever listens there."""
        for qemu in self.machines:
            if (name := qemu.listens_at(endpoint)) is not None:
                ours, theirs = socket.socketpair()
                ours.settimeout(timeout)
                serve = self._serve_qmp if name == "qmp" else self._serve_guest
                threading.Thread(target=serve, args=(theirs, qemu, f"{name} {_address(endpoint)}"), daemon=True).start()
                return ours
        raise ConnectionRefusedError(f"nobody listens at {endpoint.to_text()}")

    def _serve_qmp(self, connection: socket.socket, qemu: FakeQemu, where: str) -> None:
        with connection, connection.makefile("rwb") as lines:
            lines.write(b'{"QMP": {"version": {}}}\n')
            lines.flush()
            for line in lines:
                asked = json.loads(line)
                self._write(f"{where}: {line.decode().strip()}")
                if asked["execute"] == "quit":
                    qemu.end()
                answer = {"UUID": qemu.option("-uuid")} if asked["execute"] == "query-uuid" else {}
                lines.write(json.dumps({"return": answer}).encode() + b"\n")
                lines.flush()
                if not qemu.is_alive:
                    return

    def _serve_guest(self, connection: socket.socket, qemu: FakeQemu, where: str) -> None:
        with connection, suppress(ConnectionError):  # commands hang up when they have their answer
            heard = b""
            while chunk := connection.recv(65536):
                heard += chunk
                if heard.startswith(SYNC_MAGIC):
                    start, end = len(SYNC_MAGIC), len(SYNC_MAGIC) + NONCE_BYTES
                    hello = heard[start:end] + VERSION.to_bytes(4, "little")
                    connection.sendall(HEADER.pack(len(hello), FrameType.HELLO.value[0]) + hello)
                    heard = heard[end:]
                frame, heard = decoded(heard)
                while frame is not None:
                    connection.sendall(self._guest_answer(frame, qemu, where))
                    frame, heard = decoded(heard)

    def _guest_answer(self, frame: Frame, qemu: FakeQemu, where: str) -> bytes:
        if frame.type in (FrameType.INPUT, FrameType.INPUT_END):
            return b""
        if frame.type is not FrameType.EXECUTE:
            told = " ".join(f"{tag}={text}" for tag, text in _fields(frame.payload) if tag in "nm")
            self._write(f"{where}: {frame.type.name} {told}".rstrip())
            if frame.type is FrameType.POWER_OFF:
                qemu.end()
            return encoded(FrameType.DONE)
        fields = _fields(frame.payload)
        argv = [text for tag, text in fields if tag == "a"]
        user = next((text for tag, text in fields if tag == "u"), "root")
        names = sorted(text.partition("=")[0] for tag, text in fields if tag == "e")
        self._write(f"{where}: EXECUTE as {user} {_told_as(argv)}")
        if names:
            self._write(f"    with {' '.join(names)} in its environment")
        said = f"{qemu.token()}\n" if argv[-1] == "/opt/agent-swarm/prepared" else ""
        said = _HOST_KEY if argv[-1].endswith("ssh_host_ed25519_key") else said
        return encoded(FrameType.OUTPUT, said.encode()) + encoded(FrameType.ENDED, b"\0\0")

    def _write(self, line: str) -> None:
        """With names in the place of what is another one at each run."""
        for path, name in ((self.home, "{home}"), (self.tools.parent, "{system}")):
            line = line.replace(str(path), name)
        line = re.sub(r"\{home\}/run/[0-9a-f]{12}", "{sockets}", line)
        line = re.sub(r"[^\s=]+/agent-swarm-probe-\w+", "{probe}", line)
        self.transcript.append(line.replace(f"-{os.getpid()}-", "-{pid}-"))


def become(system: HostSystem, folder: Path, monkeypatch: pytest.MonkeyPatch) -> OtherSystem:
    """Have commands on VMs take this process for one on that system, until the test ends."""
    name, machine = _PLATFORMS[system]
    architecture = Architecture.AARCH64 if machine == "arm64" else Architecture.X86_64
    host = Host(system, architecture)
    other = OtherSystem(host, folder / "home", folder / "bin")
    other.tools.mkdir(parents=True)
    suffix = ".exe" if system is HostSystem.WINDOWS else ""
    for program in (host.emulator, f"qemu-img{suffix}", *_OTHERS):
        (other.tools / program).touch(0o755)
    firmware = folder / "share/qemu/edk2-aarch64-code.fd"
    firmware.parent.mkdir(parents=True)
    firmware.touch()
    _speak_for(other, name, machine, monkeypatch)
    _stand_in(other, monkeypatch)
    return other


def _speak_for(other: OtherSystem, name: str, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python says about the machine, and what the machine has."""
    asked = SimpleNamespace(platform=name, executable=PYTHON)
    for module in _MODULES_THAT_ASK:
        monkeypatch.setattr(f"agent_swarm.vm.{module}.sys", asked)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr("agent_swarm.vm.room.available_memory_mb", lambda: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 40))
    monkeypatch.setitem(sys.modules, "keyring", None)
    for variable in ("XDG_RUNTIME_DIR", "SSH_AUTH_SOCK", "LC_ALL", "TZ"):
        monkeypatch.delenv(variable, raising=False)
    values = {"PATH": str(other.tools), "AGENT_SWARM_HOME": str(other.home), "HOME": str(other.tools.parent / "user")}
    for variable, value in values.items():
        monkeypatch.setenv(variable, value)


def _stand_in(other: OtherSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """The borders of the process, and what would be another one at each run."""

    def connect(endpoint: Endpoint, timeout: float) -> socket.socket:
        return other.connect(endpoint, timeout)

    monkeypatch.setattr(subprocess, "run", other.run)
    monkeypatch.setattr(subprocess, "Popen", other.popen)
    monkeypatch.setattr(Endpoint, "connect", connect)
    monkeypatch.setattr(processes, "started_by_windows", other.started)
    ports, numbers = count(_FIRST_PORT), count(1)
    monkeypatch.setattr("agent_swarm.vm.qemu.lifecycle.free_port", lambda: next(ports))
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=next(numbers) << 104))
    monkeypatch.setattr("agent_swarm.cli.vm.running._standard_input", tuple)


def _image_tool(words: Sequence[str]) -> str:
    """`qemu-img`, as far as what it leaves is looked at."""
    if words[1] == "create":
        Path(words[-1]).write_text(f"over {words[words.index('-b') + 1]}", encoding="utf-8")
    if words[1] == "convert":
        shutil.copyfile(words[-2], words[-1])
    if words[1] != "info":
        return ""
    content = Path(words[-1]).read_bytes()
    backing = {"full-backing-filename": content.decode()[5:]} if content.startswith(b"over ") else {}
    return json.dumps({"format": "qcow2", "virtual-size": 4 << 30, **backing})


def _laid_out(words: Sequence[str]) -> str:
    """One line, or where it would be a long one a line per option."""
    quoted = [shlex.quote(word) for word in words]
    if len(quoted) < 12:
        return " ".join(quoted)
    lines, is_bare = [quoted[0]], True
    for word in quoted[1:]:
        if word.startswith("-") or is_bare:
            lines.append(f"    {word}")
        else:
            lines[-1] += f" {word}"
        is_bare = not word.startswith("-") and not lines[-1].lstrip().startswith("-")
    return "\n".join(lines)


def _told_as(argv: Sequence[str]) -> str:
    """Arguments; of a script its first line that is not empty."""
    shown = []
    for word in argv:
        lines = [line for line in word.splitlines() if line.strip()]
        shown.append(word if len(lines) < 2 else f"{lines[0]} …")
    return shlex.join(shown)


def _address(endpoint: Endpoint) -> str:
    return str(endpoint.path) if endpoint.path is not None else f"127.0.0.1:{endpoint.port}"


def _fields(payload: bytes) -> list[tuple[str, str]]:
    found = []
    while payload:
        length = int.from_bytes(payload[1:5], "little")
        found.append((chr(payload[0]), payload[5 : 5 + length].decode("utf-8", "replace")))
        payload = payload[6 + length :]
    return found


def run_command(arguments: Sequence[str]) -> int:
    """A command of the program, in this process; its exit code."""
    from agent_swarm.cli.main import cli

    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments), prog_name="agent-swarm")
    return int(ended.value.code or 0)
