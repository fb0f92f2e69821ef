"""What can go wrong with VMs, each with the remedy.

SwarmError
├── InvalidInput
│   ├── InvalidVmName
│   └── InvalidImage       what was given is no image, or not the one it should be
├── NotFound
│   ├── UnknownVm
│   ├── UnknownCheckpoint
│   ├── NoBaseImage
│   └── UnknownVariable
├── Conflict
│   ├── VmExists
│   ├── VmBusy             another command works on it
│   └── InUse              something else is built on it
└── VmError                this machine, or the guest, does not do what it should
    ├── EngineMissing
    ├── DownloadFailed
    ├── SetupFailed
    ├── EngineFailed
    ├── NoRoom
    ├── GuestUnreachable
    └── GuestRefused
"""

from collections.abc import Sequence

from agent_swarm.domain.errors import Conflict, InvalidInput, NotFound, SwarmError


class InvalidVmName(InvalidInput):
    """The name of a project, task or checkpoint cannot be used as it stands."""

    code = "invalidVmName"


class InvalidImage(InvalidInput):
    """What was given as an image is none, or not the one it should be."""

    code = "invalidVmImage"


class UnknownVm(NotFound):
    """No project or task VM has this name."""

    code = "unknownVm"


class UnknownCheckpoint(NotFound):
    """The VM has no checkpoint of this name."""

    code = "unknownCheckpoint"


class NoBaseImage(NotFound):
    """There is no base image to make a project from."""

    code = "noBaseImage"


class UnknownVariable(NotFound):
    """No variable of this name is set there."""

    code = "unknownVariable"


class VmExists(Conflict):
    """A project or task VM already has this name."""

    code = "vmExists"


class VmBusy(Conflict):
    """Another command works on this VM."""

    code = "vmBusy"


class InUse(Conflict):
    """It cannot go while something else is built on it."""

    code = "vmInUse"

    def __init__(self, what: str, users: Sequence[str], *, hint: str) -> None:
        super().__init__(f"{what} is in use by {', '.join(users)}", hint=hint, details={"users": list(users)})


class VmError(SwarmError):
    """This machine or the guest does not do what it should."""

    code = "vmError"


class EngineMissing(VmError):
    """A program that VMs need is not installed."""

    code = "vmEngineMissing"


class DownloadFailed(VmError):
    """An image could not be fetched; what has come is kept for the next try."""

    code = "vmDownloadFailed"


class SetupFailed(VmError):
    """The script that sets up a guest did not end well."""

    code = "vmSetupFailed"


class EngineFailed(VmError):
    """QEMU or one of its tools refused or ended."""

    code = "vmEngineFailed"


class NoRoom(VmError):
    """The disk or the memory of this machine does not suffice."""

    code = "vmNoRoom"


class GuestUnreachable(VmError):
    """The agent in the guest does not answer."""

    code = "guestUnreachable"


class GuestRefused(VmError):
    """The agent in the guest could not do what it was asked for."""

    code = "guestRefused"
