"""Names of projects, tasks and checkpoints, and the ids of VMs that are made of them.

A name becomes a folder, a file and a host name on three systems, so it is made of what all of them take. Windows and
macOS fold upper and lower case: two names that differ in nothing else are the same name.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from agent_swarm.vm.errors import InvalidVmName

LONGEST_NAME = 63  # of a host name's label, RFC 1035
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_RULE = f"1 to {LONGEST_NAME} letters, digits, '.', '_' or '-', a letter or digit first and last"


class VmKind(StrEnum):
    """What a VM is for."""

    PROJECT = "project"
    TASK = "task"


_PREFIXES = {VmKind.PROJECT: "project-", VmKind.TASK: "agent-swarm-"}


@dataclass(frozen=True, slots=True)
class VmRef:
    """One VM: a project, which tasks are cloned from, or a task."""

    kind: VmKind
    name: str

    @property
    def vm_id(self) -> str:
        """`project-<name>` or `agent-swarm-<task>`: the name of its folder."""
        return _PREFIXES[self.kind] + self.name

    @property
    def folded(self) -> str:
        """The id as systems that fold case see it."""
        return self.vm_id.casefold()

    @property
    def hostname(self) -> str:
        """The name that the guest bears."""
        return re.sub(r"[._]", "-", self.name.lower())

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


def project_ref(name: str) -> VmRef:
    """The project VM of that name; raises InvalidVmName where it cannot be one."""
    return VmRef(VmKind.PROJECT, checked("project", name))


def task_ref(name: str) -> VmRef:
    """The task VM of that name; raises InvalidVmName where it cannot be one."""
    return VmRef(VmKind.TASK, checked("task", name))


def ref_of(vm_id: str) -> VmRef | None:
    """The VM that a folder's name stands for; None for any other folder."""
    for kind, prefix in _PREFIXES.items():
        name = vm_id.removeprefix(prefix)
        if name != vm_id and _is_name(name):
            return VmRef(kind, name)
    return None


def checked(what: str, name: str) -> str:
    """`name`, where it follows the rule; raises InvalidVmName otherwise."""
    if _is_name(name):
        return name
    shown = name if len(name) <= 80 else f"{name[:60]}… ({len(name)} characters)"
    raise InvalidVmName(f"{shown!r} cannot be the name of a {what}", hint=f"use {_RULE}")


def checkpoint_name_of(now: datetime) -> str:
    """The name of a checkpoint for which none was given: the time, as far as a file's name may have it."""
    moment = now.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H-%M-%S}-{moment.microsecond // 1000:03d}Z"


def _is_name(name: str) -> bool:
    return len(name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None
