"""Finds out what runs VMs on this machine, by booting a guest of a few instructions with each accelerator.

An openable /dev/kvm proves nothing: under some clouds' para-virtualisation it can be opened and creates VMs, which then
run a thousand times too slowly. So the probe guest counts a loop down and ends the machine; who does not do it in time
does not count. A verdict holds until QEMU or the kernel is another one, a bad one for a day.
"""

import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from agent_swarm.vm.errors import EngineFailed
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.qemu import programs
from agent_swarm.vm.qemu.command_line import Engine, confinement, processor
from agent_swarm.vm.qemu.hosts import Accelerator, Architecture, Host
from agent_swarm.vm.qemu.probe_guest import AARCH64_KERNEL, BOOTED_EXIT_CODE, X86_DISK

LIMIT_SECONDS: Final = 10.0  # with hardware some 0.3 s, translated some 1 s; measured where KVM does not count: never
BAD_VERDICT_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one accelerator did. `detail` says how long it took, or what was wrong."""

    accelerator: Accelerator
    works: bool
    is_confined: bool
    detail: str
    judged_at: float  # seconds since 1970


def engine(layout: Layout, host: Host) -> Engine:
    """The best engine that works here; raises EngineMissing without QEMU, EngineFailed where nothing boots."""
    program = programs.emulator(host)
    verdicts = judge(layout, host, program)
    best = next((verdict for verdict in verdicts if verdict.works), None)
    if best is None:
        said = "; ".join(f"{verdict.accelerator}: {verdict.detail}" for verdict in verdicts)
        raise EngineFailed(f"QEMU boots nothing here: {said}", hint="see the checks of: agent-swarm doctor")
    return Engine(
        host=host,
        accelerator=best.accelerator,
        program=program,
        is_confined=best.is_confined,
        firmware=programs.firmware(host, program),
    )


def judge(layout: Layout, host: Host, program: Path, *, anew: bool = False) -> list[Verdict]:
    """A verdict on each accelerator, best first, up to the first that works; from earlier ones where they hold."""
    key = _key(program)
    known = {} if anew else _read(layout.verdicts, key, now=time.time())
    verdicts = []
    for accelerator in host.accelerators:
        verdict = known.get(accelerator) or boot(host, accelerator, program)
        verdicts.append(verdict)
        if verdict.works:
            break
    if any(verdict.accelerator not in known for verdict in verdicts):
        _write(layout.verdicts, key, verdicts)
    return verdicts


def boot(host: Host, accelerator: Accelerator, program: Path) -> Verdict:
    """Boot the probe guest, confined to few system calls where this QEMU can do that."""
    verdict = _boot(Engine(host=host, accelerator=accelerator, program=program, is_confined=_may_be_confined(host)))
    if not verdict.works and "-sandbox" in verdict.detail:
        return _boot(Engine(host=host, accelerator=accelerator, program=program))
    return verdict


def _may_be_confined(host: Host) -> bool:
    return host.system == "linux"


def _boot(candidate: Engine) -> Verdict:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="agent-swarm-probe-") as folder:
        arguments = probe_command_line(candidate, Path(folder) / "guest")
        try:
            done = subprocess.run(
                arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return _verdict(candidate, False, f"the probe guest was not done after {LIMIT_SECONDS:.0f} s")
        except OSError as exc:
            return _verdict(candidate, False, f"cannot start {candidate.program}: {exc.strerror}")
    if done.returncode == BOOTED_EXIT_CODE[candidate.host.architecture]:
        return _verdict(candidate, True, f"booted the probe guest in {time.monotonic() - started:.1f} s")
    said = " / ".join(done.stderr.strip().splitlines()[-2:]) or f"QEMU ended with {done.returncode}"
    return _verdict(candidate, False, said)


def probe_command_line(candidate: Engine, guest: Path) -> list[str]:
    """QEMU with the probe guest, which is written to the file `guest`."""
    if candidate.host.architecture is Architecture.X86_64:
        guest.write_bytes(X86_DISK)
        drive = f"if=none,id=guest,format=raw,readonly=on,file={guest}"
        boots = [
            "-drive",
            drive,
            "-device",
            "virtio-blk-pci,drive=guest",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=4",
        ]
    else:
        guest.write_bytes(AARCH64_KERNEL)
        boots = ["-kernel", str(guest)]
    return [
        str(candidate.program),
        *processor(candidate.host, candidate.accelerator),
        *("-nodefaults", "-no-user-config", "-display", "none", "-m", "128M", "-no-reboot"),
        *boots,
        *confinement(candidate),
    ]


def _verdict(candidate: Engine, works: bool, detail: str) -> Verdict:
    return Verdict(
        accelerator=candidate.accelerator,
        works=works,
        is_confined=candidate.is_confined,
        detail=detail,
        judged_at=time.time(),
    )


def _key(program: Path) -> str:
    """What a verdict is about: this QEMU under this kernel."""
    try:
        found = program.resolve().stat()
    except OSError as exc:
        raise EngineFailed(f"cannot look at {program}: {exc.strerror}", hint="install QEMU anew") from exc
    return f"{program.resolve()} {found.st_size} {found.st_mtime_ns} {platform.release()} {platform.machine()}"


def _read(path: Path, key: str, *, now: float) -> Mapping[Accelerator, Verdict]:
    try:
        body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        listed = [Verdict(**{**one, "accelerator": Accelerator(one["accelerator"])}) for one in body[key]]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {one.accelerator: one for one in listed if one.works or 0 <= now - one.judged_at < BAD_VERDICT_SECONDS}


def _write(path: Path, key: str, verdicts: list[Verdict]) -> None:
    """Keep verdicts on this QEMU alone. That they cannot be kept hinders nobody."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.write_text(json.dumps({key: [asdict(one) for one in verdicts]}, indent=2), encoding="utf-8")
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
