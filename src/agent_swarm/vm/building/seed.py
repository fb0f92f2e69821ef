"""What cloud-init is told on the first boot of a cloud image: a disc with two files (NoCloud).

The user data is a shell script, which puts the agent in. Its program comes with it where this machine can make it for
the guest; else its sources, and the guest compiles them.
"""

import base64
import io
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent_swarm.vm.building import iso
from agent_swarm.vm.guest import agent_program
from agent_swarm.vm.qemu.hosts import Host, HostSystem

VOLUME: Final = "cidata"
_SCRIPT: Final = Path(__file__).with_name("cloud-guest.sh")


def disc(host: Host, token: str) -> bytes:
    """The disc; the guest writes `token` to `/opt/agent-swarm/prepared` when it is ready."""
    meta = f"instance-id: agent-swarm-{token}\nlocal-hostname: agent-swarm-base\n"
    return iso.image(VOLUME, {"meta-data": meta.encode(), "user-data": user_data(agent(host), token)})


def user_data(archive: bytes, token: str) -> bytes:
    """The script with the agent in it."""
    encoded = base64.encodebytes(archive).decode("ascii").strip()
    text = _SCRIPT.read_text(encoding="utf-8")
    before, _, after = text.partition("\n@AGENT@\n")
    return f"{before}\n{encoded}\n{after.replace('@TOKEN@', token)}".encode()


def agent(host: Host) -> bytes:
    """An archive with the agent's program, or with its sources."""
    if host.system is HostSystem.LINUX:
        with suppress(OSError), tempfile.TemporaryDirectory(prefix="agent-swarm-agent-") as folder:
            program = Path(folder) / "agent-swarm-guest"
            agent_program.compile_static(program)
            return _archive([program])
    return _archive(sorted(agent_program.SOURCES.iterdir()))


def _archive(files: list[Path]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=packed) as archive:
        for path in files:
            archive.add(path, arcname=path.name, filter=_anonymous)
    return packed.getvalue()


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
