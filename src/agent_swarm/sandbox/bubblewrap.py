"""Provider `bubblewrap`: a run has namespaces of its own, and sees of the host what it needs and nothing else.

    worker ── bwrap ──┤ pid 1: supervisor ── command ── its descendants        (mount, PID, IPC, UTS, cgroup, network)
                      │

The supervisor is the one of provider `process`, started as the first process of the PID namespace. So exit codes,
signals, interrupts and graces are told as truthfully as there, and the kernel ends whatever is left with it: there is
no cgroup to make and no daemon to look for. The file system is made by `view`, the way to allowed hosts by `gate`.
Nothing is limited: memory, processes and disk are the host's.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from agent_swarm.sandbox import installation, leftovers, processtree
from agent_swarm.sandbox.admission import admit
from agent_swarm.sandbox.allowlist import AllowList
from agent_swarm.sandbox.base import Launch, Network, NetworkMode, Probe, SandboxCapability, SandboxSpec
from agent_swarm.sandbox.bwrap_failures import INSTALL, diagnose
from agent_swarm.sandbox.errors import SandboxError
from agent_swarm.sandbox.gate import PROXY_ENVIRONMENT, Gate
from agent_swarm.sandbox.link import Enclosure
from agent_swarm.sandbox.process import ProcessSandbox
from agent_swarm.sandbox.proxy import OnDenied
from agent_swarm.sandbox.supervised import Place, SupervisedProcess
from agent_swarm.sandbox.view import View

_PROBE_PATIENCE = timedelta(seconds=20)
_WITH_FILES = frozenset({SandboxCapability.REAPS_DESCENDANTS, SandboxCapability.FILESYSTEM_ISOLATED})
_WITH_NETWORK = frozenset({SandboxCapability.NETWORK_OFF, SandboxCapability.NETWORK_ALLOWLIST})

_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"),
    "/sys/devices/system/cpu",  # how many there are: asked by C libraries, Node and Java at their start
)
# What programs read there, by name: the rest holds password hashes, private keys and what administrators put in.
_ETC = (
    *("passwd", "group", "nsswitch.conf", "hosts", "host.conf", "resolv.conf", "gai.conf", "services", "protocols"),
    *("localtime", "timezone", "locale.conf", "locale.alias", "os-release", "debian_version", "lsb-release"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "gitconfig", "mime.types", "magic", "terminfo"),
    *("ssl/certs", "ssl/openssl.cnf", "ssl/cert.pem", "pki/tls/certs", "pki/tls/openssl.cnf", "pki/ca-trust/extracted"),
    *("ca-certificates/extracted", "crypto-policies", "inputrc", "fonts", "perl", "maven"),
)
_EMPTY = ("/tmp", "/var/tmp")  # noqa: S108 - the run's own, in memory

# Kernel settings belong to root, whatever capabilities it has given up; others cannot change them anyway.
_FOR_ROOT = tuple(f for path in ("/proc/sys", "/proc/fs", "/proc/scsi") for f in ("--ro-bind-try", path, path))

_FIRST_FREE_PORT = 1024
_FOR_LOW_PORTS = ("--cap-add", "CAP_NET_BIND_SERVICE")  # in a network namespace of its own it harms nobody

_NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")

# Exits with 3 where a file of the host can be seen, with 4 where the network has more than loopback.
_TRIAL = """
[ ! -e "$CANARY" ] || exit 3
[ "$NETWORK" = on ] || while read name rest; do
    case $name in Inter-*|face*|lo:*) ;; *) exit 4 ;; esac
done < /proc/net/dev
"""


class BubblewrapProvider:
    """Meets `sandbox.base.SandboxProvider`. It can do what its last probe has shown: probe it before it is used.

    `on_denied` is told of every host that a run was kept from, once per process and host.
    """

    name = "bubblewrap"

    def __init__(self, *, on_denied: OnDenied = lambda host, port, why: None) -> None:
        self._on_denied = on_denied
        self._capabilities: frozenset[SandboxCapability] = frozenset()

    @property
    def capabilities(self) -> frozenset[SandboxCapability]:
        """Nothing before the first probe."""
        return self._capabilities

    async def probe(self) -> Probe:
        """Run a command that looks for a file it must not find, and for a network that must not be there."""
        self._capabilities = frozenset()
        if not processtree.IS_LINUX:
            return Probe(False, "bubblewrap needs Linux", "runs are plain processes here; or run the worker on Linux")
        if shutil.which("bwrap") is None:
            return Probe(False, "there is no bwrap in PATH", INSTALL)
        failure = await self._trial(Network())
        if failure:
            found = diagnose(failure)
            return Probe(False, found.detail, found.remedy)
        self._capabilities |= _WITH_FILES
        failure = await self._trial(Network(mode=NetworkMode.ALLOW))
        if failure:
            found = diagnose(failure)
            return Probe(True, f"files and processes are isolated; the network cannot be: {found.detail}", found.remedy)
        self._capabilities |= _WITH_NETWORK
        return Probe(True, "files and processes are isolated, and the network where a run asks for it")

    async def open(self, spec: SandboxSpec) -> "BubblewrapSandbox":
        """A place for one run. Nothing is started yet. Raises InvalidInput, CannotEnforce."""
        admit(spec, self.name, self.capabilities)
        return BubblewrapSandbox(spec, self._on_denied)

    async def sweep(self, state_dir: Path) -> int:
        """End what a killed worker left running as recorded under `state_dir`, nothing else; how many processes."""
        return await leftovers.end_abandoned(state_dir)

    async def _trial(self, network: Network) -> str:
        """Empty where it worked; else what was said, or seen."""
        try:
            with tempfile.TemporaryDirectory(prefix="agent-swarm-probe-") as folder:
                return await asyncio.wait_for(self._try_in(Path(folder), network), _PROBE_PATIENCE.total_seconds())
        except (SandboxError, OSError, TimeoutError) as exc:
            return str(exc) or type(exc).__name__

    async def _try_in(self, folder: Path, network: Network) -> str:
        for name in ("workspace", "state", "home"):
            (folder / name).mkdir()
        canary = folder / "home" / "canary"
        canary.touch()
        env = {"HOME": str(canary.parent), "CANARY": str(canary), "NETWORK": network.mode.value}
        spec = SandboxSpec(
            run_id="probe", workspace=folder / "workspace", state_dir=folder / "state", network=network, env=env
        )
        sandbox = BubblewrapSandbox(spec, self._on_denied)
        try:
            process = await sandbox.start(Launch(argv=("sh", "-c", _TRIAL), cwd=spec.workspace, env={}))
            ended = await process.wait()
            return "" if ended.ok else f"{process.error_tail()}\nthe trial ended with {ended.describe()}"
        finally:
            await sandbox.close()


class BubblewrapSandbox(ProcessSandbox):
    """One run's namespaces: each process that is started has a set of its own."""

    def __init__(self, spec: SandboxSpec, on_denied: OnDenied) -> None:
        super().__init__(spec, cgroup_home=None)
        self._on_denied = on_denied

    async def _start_in(self, place: Place, launch: Launch) -> SupervisedProcess:
        network = self._spec.network
        gate = None
        if network.mode is NetworkMode.ALLOW:
            gate = Gate(AllowList.of(network.allow, network.own), self._on_denied)
            launch = replace(launch, env={**launch.env, **PROXY_ENVIRONMENT})
        try:
            argv = await asyncio.to_thread(command_line, self._spec, launch, gate.addresses if gate else ())
            enclosure = Enclosure(argv=tuple(argv), inherits=(gate.way,) if gate else ())
            return await SupervisedProcess.start(launch, replace(place, enclosure=enclosure, gate=gate))
        except BaseException:
            if gate is not None:
                await gate.close()
            raise


def command_line(spec: SandboxSpec, launch: Launch, doors: Sequence[tuple[str, int]] = ()) -> list[str]:
    """What makes the sandbox of one process; the command that it runs is appended. Raises SandboxError."""
    try:
        shown = _view(spec, launch).arguments()
    except OSError as exc:
        raise SandboxError(f"cannot show {exc.filename!r} in a sandbox: {exc.strerror}") from exc
    bwrap = shutil.which("bwrap") or "bwrap"
    return [
        *(bwrap, *_NAMESPACES, "--die-with-parent", "--as-pid-1"),
        *([] if spec.network.mode is NetworkMode.ON else ["--unshare-net"]),
        *("--cap-drop", "ALL"),  # root would keep them
        *(_FOR_LOW_PORTS if any(port < _FIRST_FREE_PORT for _, port in doors) else ()),
        *("--proc", "/proc", "--dev", "/dev"),
        *(_FOR_ROOT if os.geteuid() == 0 else ()),
        *shown,
        *("--remount-ro", "/", "--chdir", "/", "--"),
    ]


def _view(spec: SandboxSpec, launch: Launch) -> View:
    """The workspace and what else may be written, then what may be read, then what is empty."""
    view = View()
    workspace = () if spec.read_only else (spec.workspace,)
    for path in sorted({str(path) for path in (*workspace, *spec.writable, *launch.writable)}):
        view.write(path)
    for path in _SYSTEM:
        view.read(path)
    for path in _ETC:
        view.read(f"/etc/{path}")
    for path in installation.of_this_interpreter():
        view.read(path)
    for declared in (spec.workspace, *spec.readable, *launch.readable):
        view.read(str(declared))
    home = _home(launch.env)
    for path in _programs(launch, home):
        with suppress(OSError):  # links in circles: one program that does not start
            view.read(path)
    for path in (*_EMPTY, home):
        view.empty(path)
    return view


def _programs(launch: Launch, home: str) -> Iterator[str]:
    search_path = launch.env.get("PATH", os.defpath)
    yield from installation.of_path(search_path, home=home)
    yield from installation.of_program(launch.argv[0], search_path, home=home)


def _home(env: Mapping[str, str]) -> str:
    """The run's HOME; the worker's where it has none: a tool that asks the user database then finds an empty one."""
    named = env.get("HOME", "")
    return os.path.normpath(named if os.path.isabs(named) else os.path.expanduser("~"))
