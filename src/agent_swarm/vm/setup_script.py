"""`setup.sh`: what the user wants in every guest, run in it as root.

It is run when a base image is built of a cloud image, and in a new project where its text is another one than what the
base image was built with: so a change counts from the next project on.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_swarm.vm.errors import SetupFailed
from agent_swarm.vm.guest.client import Channel, Sink
from agent_swarm.vm.guest.frames import Command
from agent_swarm.vm.layout import Layout

DEFAULT: Final = Path(__file__).with_name("building") / "setup-default.sh"
GUEST_PATH: Final = "/opt/agent-swarm/setup.sh"
_TOLD_BYTES: Final = 2000
_TAKE: Final = f"mkdir -p /opt/agent-swarm && cat > {GUEST_PATH} && chmod 755 {GUEST_PATH}"


@dataclass(frozen=True, slots=True)
class SetupScript:
    """The script as it is now."""

    path: Path
    content: bytes

    @property
    def sha256(self) -> str:
        """By which a base image knows it."""
        return hashlib.sha256(self.content).hexdigest()


def written_once(layout: Layout) -> SetupScript:
    """The user's script, with the default one written where there is none."""
    layout.prepare()
    path = layout.root / "setup.sh"
    if not path.exists():
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_bytes(DEFAULT.read_bytes())
        unfinished.chmod(0o700)
        unfinished.replace(path)
    return SetupScript(path, path.read_bytes())


def due_in_project(layout: Layout, built_with: str | None) -> SetupScript | None:
    """The script where a new project has to run it; None otherwise. `built_with` is what its base image ran.

    It is written where there is none yet, so that it can be found and edited. An image that was brought ready-made ran
    none: there the default one, which nobody asked for, is not run.
    """
    script = written_once(layout)
    is_default = script.content == DEFAULT.read_bytes()
    if script.sha256 == built_with or (built_with is None and is_default):
        return None
    return script


def run(guest: Channel, script: SetupScript, told: Sink) -> None:
    """Run it in the guest, to its end; raises SetupFailed with its last words."""
    last = bytearray()

    def tell(data: bytes) -> None:
        last.extend(data)
        del last[:-_TOLD_BYTES]
        told(data)

    taken = guest.run(Command(argv=["sh", "-c", _TAKE], env={}), stdin=[script.content], stdout=tell, stderr=tell)
    if taken.code == 0:
        environment = {"HOME": "/root", "LANG": "C.UTF-8"}
        taken = guest.run(Command(argv=[GUEST_PATH], env=environment, cwd="/"), stdout=tell, stderr=tell)
    if taken.code != 0:
        said = " / ".join(last.decode("utf-8", "replace").strip().splitlines()[-3:])
        raise SetupFailed(
            f"{script.path} ended with {taken.code} in the guest: {said or 'it said nothing'}",
            hint=f"correct {script.path}, then try again: nothing is left of it; or leave it out: --no-setup",
        )
