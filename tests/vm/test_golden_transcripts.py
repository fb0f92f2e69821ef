"""What the commands do on macOS and on Windows, which cannot run here: each program, address and word to QEMU.

The transcripts in `golden/` are compared word for word. After a change that is meant, write them anew and read the
difference before it is committed:

    GOLDEN=write .venv/bin/python -m pytest tests/vm/test_golden_transcripts.py
"""

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.vm.other_system import OtherSystem, become, run_command

from agent_swarm.vm.qemu.hosts import HostSystem

GOLDEN = Path(__file__).with_name("golden")
SYSTEMS = {"macos-hvf": HostSystem.MACOS, "windows-whpx": HostSystem.WINDOWS}
SECRET = "not-to-be-seen-anywhere"

COMMANDS = """
init-base --image {system}/tools.img
init-base --image {system}/cloud.img --prepare --no-setup
env set TOKEN {secret}
project create shop --base tools
project run shop git clone https://git.example.com/shop.git project
project ssh shop
project stop shop
create shop fix --allow git.example.org
run fix sh -c 'cd project && make test'
ssh fix tmux attach
code fix /srv/shop --configure
checkpoint fix before
restore fix before
start fix
stop fix
create shop explore --egress open
delete explore
delete fix
project code shop --configure
project delete shop
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets have to fit below it, wherever tests keep their files."""
    path = Path(tempfile.mkdtemp(prefix="vm-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


def transcribed(other: OtherSystem, folder: Path) -> str:
    """What all commands do one after the other, each of which has to succeed."""
    for name in ("tools.img", "cloud.img"):
        (folder / name).write_bytes(b"\xeb\x63\x90\0".ljust(1 << 16, b"\0"))
    for line in COMMANDS.strip().splitlines():
        other.transcript.append(f"\n$ agent-swarm {line}".replace("{secret}", "VALUE"))
        words = [word.replace("{system}", str(folder)).replace("{secret}", SECRET) for word in shlex.split(line)]
        assert run_command(words) == 0, line
    return "\n".join(other.transcript).lstrip() + "\n"


@pytest.mark.parametrize("name", SYSTEMS)
def test_given_another_system_when_vms_are_used_then_all_that_leaves_the_process_is_as_recorded(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = become(SYSTEMS[name], folder, monkeypatch)
    found = transcribed(other, folder)
    assert not any(qemu.is_alive for qemu in other.machines)
    assert not any(SECRET in word for words in other.argument_lists for word in words)
    assert SECRET not in found
    recorded = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        recorded.write_text(found, encoding="utf-8")
    assert found == recorded.read_text(encoding="utf-8")
