"""Processes that cannot be mistaken for later ones with the same pid: pid, start time, and the boot they belong to."""

import ctypes
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

# Fields of /proc/<pid>/stat counted from behind the command name, which may hold blanks and brackets itself: proc(5).
_STATE, _START_TICKS = 0, 19

_QUERY_LIMITED_INFORMATION: Final = 0x1000
_STILL_ACTIVE: Final = 259  # the exit code of a process that has none yet


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of one boot. `started` is empty where the system does not tell; nothing is then sure about it."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has this pid now."""
        return cls(pid, started(pid))

    def is_running(self) -> bool:
        """It is this process, and no other one, that runs under the pid."""
        return bool(self.started) and started(self.pid) == self.started

    def kill(self) -> None:
        """End it, where it is certain that it is the one; nothing otherwise."""
        if self.is_running():
            with suppress(ProcessLookupError):
                os.kill(self.pid, 9)

    def write(self, path: Path) -> None:
        """Make it visible in one step."""
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_text(json.dumps({"pid": self.pid, "started": self.started}), encoding="ascii")
        unfinished.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What was written; None where there is nothing, or nothing legible."""
        try:
            body = json.loads(path.read_text(encoding="ascii"))
            return cls(int(body["pid"]), str(body["started"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def started(pid: int) -> str:
    """When the process with this pid started; empty where none runs, or the system does not tell."""
    if sys.platform == "linux":
        return _started_by_proc(pid)
    if sys.platform == "win32":
        return started_by_windows(pid)
    alike = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}  # whoever asks has to be told the same
    asked = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False, env=alike
    )
    state, _, since = asked.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else since.strip()


def started_by_windows(pid: int, kernel: Any = None) -> str:
    """When it was created, in units of 100 ns; empty where none runs, or it may not be looked at.

    Tests hand in a `kernel`: what Windows has as kernel32.
    """
    kernel = kernel if kernel is not None else ctypes.windll.kernel32  # type: ignore[attr-defined]
    kernel.OpenProcess.restype = ctypes.c_void_p  # a handle is as wide as a pointer
    handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        return ""
    try:
        code = ctypes.c_uint32()
        times = [ctypes.c_uint64() for _ in range(4)]  # created, ended, in the kernel, in the program
        is_told = kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code)) and kernel.GetProcessTimes(
            ctypes.c_void_p(handle), *(ctypes.byref(one) for one in times)
        )
        return f"{times[0].value:#x}" if is_told and code.value == _STILL_ACTIVE else ""
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))


def started_with(argument: str) -> list[ProcessIdentity]:
    """The processes that were started with exactly this argument; none where the system does not show arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        with suppress(OSError):
            if argument.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(ProcessIdentity.of(int(folder.name)))
    return found


def _started_by_proc(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[_STATE] in ("Z", "X") else f"{boot}/{fields[_START_TICKS]}"
