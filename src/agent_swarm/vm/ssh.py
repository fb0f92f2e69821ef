"""SSH to a VM, for people: a key pair per project, a file of known hosts per VM, and the way through the guest agent.

The guest's own key is asked of its agent, so nothing is trusted at first sight; ours is put among the keys that let in.
Nothing in the user's `~/.ssh` is read or written.

Each session has an sshd of its own, which the guest agent starts for it (`bridge`). Variables travel inside the
encrypted connection, under other names: as what they are called they would be the host's own ssh's, too.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_swarm.vm.errors import EngineMissing, GuestRefused, VmError
from agent_swarm.vm.guest.client import Channel
from agent_swarm.vm.guest.frames import Command
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.inside import USER, guest_of, way_out_of
from agent_swarm.vm.names import VmRef, project_ref

_HOST_KEY: Final = "/etc/ssh/ssh_host_ed25519_key"

# Run in the guest as root; the key's file is its argument. sshd's own service may be about to make it, too.
_TELL_KEY: Final = """
test -e "$1.pub" || ssh-keygen -q -N "" -t ed25519 -f "$1" < /dev/null > /dev/null 2>&1
cat "$1.pub"
"""
VARIABLE_PREFIX: Final = "VM_VARIABLE_"
LEND_EDITOR: Final = "--lend-editor"

# Run in the guest as its user; the key is its argument. What other keys there are stays.
_LET_IN: Final = """
umask 077; mkdir -p .ssh; touch .ssh/authorized_keys
grep -qxF "$1" .ssh/authorized_keys || printf '%s\\n' "$1" >> .ssh/authorized_keys
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What ssh has to know to reach a VM."""

    program: str
    alias: str
    settings: Mapping[str, str]

    @property
    def words(self) -> list[str]:
        """As a command's beginning; no file of the user's is read."""
        said = [part for name, value in self.settings.items() for part in ("-o", f"{name}={value}")]
        return [self.program, "-F", "none", *said]

    @property
    def entry(self) -> str:
        """As an entry of a configuration file."""
        return "\n".join([f"Host {self.alias}", *(f"  {name} {value}" for name, value in self.settings.items()), ""])


@dataclass(frozen=True, slots=True)
class Login:
    """A command that logs in, and its environment."""

    command: Sequence[str]
    environment: Mapping[str, str]


def login(
    host: VmHost,
    ref: VmRef,
    *,
    forward_agent: bool,
    command: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    lends_editor: bool = False,
) -> Login:
    """How to log in to the VM, started where it does not run. Raises EngineMissing, GuestRefused.

    Where it `lends_editor`, `code` in the session opens this host's.
    """
    given = {**way_out_of(host, ref), **(variables or {})}
    options = options_of(host, ref, variables=sorted(given), lends_editor=lends_editor)
    agent = "-A" if forward_agent else "-a"
    environment = {**os.environ, **{VARIABLE_PREFIX + name: value for name, value in given.items()}}
    return Login([*options.words, agent, "--", options.alias, *command], environment)


def options_of(host: VmHost, ref: VmRef, *, variables: Sequence[str] = (), lends_editor: bool = False) -> Options:
    """What ssh has to know to log in to the VM, which is started where it does not run."""
    program = shutil.which("ssh")
    if program is None or shutil.which("ssh-keygen") is None:
        raise EngineMissing("ssh is not installed", hint="install OpenSSH's client: sudo apt install openssh-client")
    with host.registry() as registry:
        row = registry.get(ref)
    key = _key_pair(host, project_ref(row.project))
    known_hosts = host.paths(row.ref).folder / "known_hosts"
    with guest_of(host, row.ref) as guest:
        public = key.with_suffix(".pub").read_text(encoding="ascii").strip()
        _say(guest, ["sh", "-c", _LET_IN, "sh", public], user=USER)
        host_key = _say(guest, ["sh", "-c", _TELL_KEY, "sh", _HOST_KEY], user=None)
    known_hosts.write_text(f"{row.ref.vm_id} {host_key}", encoding="ascii")
    settings = {
        "User": USER,
        "IdentityFile": _quoted(key),
        "ProxyCommand": _proxy_command(host, row.ref, [LEND_EDITOR, *variables] if lends_editor else variables),
        "HostKeyAlias": row.ref.vm_id,
        "UserKnownHostsFile": _quoted(known_hosts),
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "LogLevel": "ERROR",
        **({"SendEnv": f"{VARIABLE_PREFIX}*"} if variables else {}),
    }
    return Options(program, row.ref.vm_id, settings)


def agent_hint() -> str:
    """What to do so that git in the guest can use the host's keys; empty where the agent has some."""
    try:
        asked = subprocess.run(["ssh-add", "-l"], capture_output=True, check=False)
    except OSError:
        return ""
    if asked.returncode == 1:
        return "your SSH agent holds no key, so git over SSH will be denied in the VM; add one: ssh-add"
    if asked.returncode == 2:
        return "no SSH agent runs, so git over SSH will be denied in the VM; start one: eval $(ssh-agent) && ssh-add"
    return ""


def _key_pair(host: VmHost, project: VmRef) -> Path:
    """The project's own key, made where it is missing."""
    key = host.paths(project).folder / "ssh_key"
    if not key.exists():
        unfinished = key.with_name(".ssh_key.new")
        for path in (unfinished, unfinished.with_suffix(".new.pub")):
            path.unlink(missing_ok=True)
        made = subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"agent-swarm {project.name}", "-f", unfinished],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise VmError(f"ssh-keygen failed: {made.stderr.strip()}", hint="see whether the disk is full")
        Path(f"{unfinished}.pub").replace(key.with_suffix(".pub"))
        unfinished.replace(key)  # last: what there is, is whole
    return key


def _proxy_command(host: VmHost, ref: VmRef, more: Sequence[str]) -> str:
    """ssh gives it to a shell, and reads percent signs as its own. Of variables it has the names alone."""
    words = [sys.executable, "-m", "agent_swarm.vm.bridge", str(host.layout.root), ref.vm_id, *more]
    return (subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)).replace("%", "%%")


def _quoted(path: Path) -> str:
    """A path as ssh's configuration takes it."""
    text = str(path).replace("%", "%%")
    return f'"{text}"' if " " in text else text


def _say(guest: Channel, argv: Sequence[str], *, user: str | None) -> str:
    out = bytearray()
    ended = guest.run(Command(argv=argv, env={}, user=user), stdout=out.extend, stderr=out.extend)
    if ended.code != 0:
        text = out.decode("utf-8", "replace").strip()
        raise GuestRefused(
            f"the guest is not ready for SSH: {text}", hint="its image has to run sshd with an ed25519 key"
        )
    return out.decode("utf-8", "replace")
