"""Where everything about VMs lies on disk.

    ~/.agent-swarm/
      base-images/<name>/                  a base image: disk.qcow2, image.json; vmlinuz and initrd.img for some
      vms/project-<name>/                  disk.qcow2, config.json, console.log, generations/<n>/
      vms/agent-swarm-<task>/              disk.qcow2, config.json, console.log
      snapshots/<vm id>/<checkpoint>.qcow2
      bin/
      setup.sh
      registry.db
      locks/<vm id>.lock
      run/                                 sockets, where their paths are short enough

Sockets have short names elsewhere if need be: a path to one is at most some 100 bytes long.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.vm.errors import VmError
from agent_swarm.vm.names import VmRef

# 104 on macOS, 108 on Linux, with the zero at the end (sun_path); less the longest name of a socket of ours.
_LONGEST_SOCKET_FOLDER = 104 - 1 - len("/channel-15")


@dataclass(frozen=True, slots=True)
class VmPaths:
    """The files of one VM."""

    folder: Path
    snapshots: Path
    lock: Path

    @property
    def disk(self) -> Path:
        """The layer that the VM writes to."""
        return self.folder / "disk.qcow2"

    @property
    def config(self) -> Path:
        """What the VM is made of."""
        return self.folder / "config.json"

    @property
    def process(self) -> Path:
        """Which process runs it."""
        return self.folder / "process.json"

    @property
    def pid_file(self) -> Path:
        """The pid, as QEMU itself writes it down."""
        return self.folder / "pid"

    @property
    def console(self) -> Path:
        """What the guest printed on its first serial port."""
        return self.folder / "console.log"

    @property
    def engine_log(self) -> Path:
        """What QEMU said."""
        return self.folder / "qemu.log"

    @property
    def egress_log(self) -> Path:
        """Which hosts its guest asked for in vain."""
        return self.folder / "egress.log"

    @property
    def generations(self) -> Path:
        """What tasks are cloned from; projects only."""
        return self.folder / "generations"


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of this machine's VMs, below `root`."""

    root: Path

    @property
    def base_images(self) -> Path:
        """The images that projects start from."""
        return self.root / "base-images"

    @property
    def vms(self) -> Path:
        """One folder per VM."""
        return self.root / "vms"

    @property
    def registry(self) -> Path:
        """The database of projects, tasks and variables."""
        return self.root / "registry.db"

    @property
    def verdicts(self) -> Path:
        """What probe boots found about this machine."""
        return self.root / "vm-probes.json"

    def of(self, ref: VmRef) -> VmPaths:
        """The files of one VM."""
        lock = self.root / "locks" / f"{ref.folded}.lock"
        return VmPaths(self.vms / ref.vm_id, self.root / "snapshots" / ref.vm_id, lock)

    def prepare(self) -> None:
        """Make the folders; they are for their owner alone."""
        try:
            for folder in (self.root, self.base_images, self.vms, self.root / "snapshots", self.root / "locks"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            raise VmError(
                f"cannot make {exc.filename}: {exc.strerror}",
                hint="make it writable for you, or set AGENT_SWARM_HOME to another folder",
            ) from exc

    def socket_folder(self, ref: VmRef) -> Path:
        """A folder for the VM's sockets, made where it is missing, with a path that is short enough."""
        name = hashlib.sha256(f"{self.root}\0{ref.folded}".encode()).hexdigest()[:12]
        for parent in _socket_parents(self.root):
            if len(os.fsencode(parent / name)) <= _LONGEST_SOCKET_FOLDER:
                _make_private(parent)
                (parent / name).mkdir(mode=0o700, exist_ok=True)
                return parent / name
        raise VmError(
            f"no folder for sockets has a path of at most {_LONGEST_SOCKET_FOLDER} bytes",
            hint="set AGENT_SWARM_HOME, or TMPDIR, to a folder with a shorter path",
        )


def _socket_parents(root: Path) -> list[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return [
        root / "run",
        *([Path(runtime) / "agent-swarm"] if runtime else []),
        Path(tempfile.gettempdir()) / f"agent-swarm-{user}",
    ]


def _make_private(folder: Path) -> None:
    """Others must neither have made it nor be able to look in: whoever reaches a socket owns the VM."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink()):
        raise VmError(f"{folder} is not for this user alone", hint=f"remove it, or make it yours: chmod 700 {folder}")
