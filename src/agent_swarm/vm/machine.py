"""What a VM is made of: the values in its `config.json`, from which its command line is built."""

import json
import os
import uuid
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from agent_swarm.vm.errors import VmError


class Egress(StrEnum):
    """Where a guest may connect to."""

    OPEN = "open"  # anywhere that the host can
    ALLOWLIST = "allowlist"  # to listed hosts, by a proxy on the host; it has no network of its own
    NONE = "none"  # nowhere: it has no network


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectBoot:
    """A kernel that QEMU starts itself, without firmware and boot loader."""

    kernel: Path
    initrd: Path
    command_line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One VM as QEMU is to make it. `seed` is a disc for the first boot of a cloud image, and not written down."""

    vm_id: str
    uuid: str
    cpus: int
    memory_mb: int
    disk: Path
    boot: DirectBoot | None
    egress: Egress
    allow: tuple[str, ...] = ()  # hosts, where `egress` is a list
    seed: Path | None = None

    @property
    def mac_address(self) -> str:
        """Of the guest's network card, made of the VM's UUID: no two guests on one host have the same."""
        tail = uuid.UUID(self.uuid).bytes[:3]
        return ":".join(f"{byte:02x}" for byte in (0x52, 0x54, 0x00, *tail))  # QEMU's own prefix

    def write(self, path: Path) -> None:
        """Make it visible in one step."""
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_text(json.dumps(self._to_json(), indent=2) + "\n", encoding="utf-8")
        unfinished.replace(path)

    def _to_json(self) -> dict[str, Any]:
        boot = self.boot and {
            "kernel": str(self.boot.kernel),
            "initrd": str(self.boot.initrd),
            "commandLine": self.boot.command_line,
        }
        return {
            "vmId": self.vm_id,
            "uuid": self.uuid,
            "cpus": self.cpus,
            "memoryMB": self.memory_mb,
            "disk": str(self.disk),
            "boot": boot,
            "egress": self.egress.value,
            "allow": list(self.allow),
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """What was written; raises VmError where it is missing or broken."""
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                vm_id=str(body["vmId"]),
                uuid=str(uuid.UUID(body["uuid"])),
                cpus=int(body["cpus"]),
                memory_mb=int(body["memoryMB"]),
                disk=Path(body["disk"]),
                boot=_boot(body["boot"]),
                egress=Egress(body["egress"]),
                allow=tuple(str(host) for host in body.get("allow", ())),
            )
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise VmError(
                f"{path} does not say what the VM is made of: {exc}",
                hint="delete this VM and create it again; nothing else reads that file",
            ) from exc


def _boot(body: dict[str, str] | None) -> DirectBoot | None:
    if body is None:
        return None
    return DirectBoot(kernel=Path(body["kernel"]), initrd=Path(body["initrd"]), command_line=body["commandLine"])
