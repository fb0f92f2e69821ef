"""What a sandbox provider promises that claims to isolate, as tests; `AdmissionContract` is for those that do not, too.

The canaries are real: a file in a home, a server on the host's
loopback, which plain processes do reach.
"""

import asyncio
import ipaddress
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent_swarm.domain.addresses import is_public
from agent_swarm.sandbox.base import Exit, Launch, Network, NetworkMode, SandboxCapability, SandboxProvider, SandboxSpec
from agent_swarm.sandbox.errors import CannotEnforce

FILES, OFF, ALLOWLIST = (
    SandboxCapability.FILESYSTEM_ISOLATED,
    SandboxCapability.NETWORK_OFF,
    SandboxCapability.NETWORK_ALLOWLIST,
)
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()"
# Ask for a URL, by the environment's proxy where it is not exempt from that, or by the proxy in any case.
ASK = """
import sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler())
try:
    answer = opener.open(sys.argv[1], timeout=20)
except urllib.error.HTTPError as refusal:
    answer = refusal
print(answer.status, answer.read().decode())
"""
ASK_PROXY = """
import http.client, os, sys, urllib.parse
proxy = http.client.HTTPConnection(urllib.parse.urlsplit(os.environ["HTTP_PROXY"]).netloc, timeout=20)
proxy.request("GET", sys.argv[1])
answer = proxy.getresponse()
print(answer.status, answer.read().decode())
"""


@dataclass
class Ran:
    """What a script in a sandbox came to."""

    exit: Exit
    lines: list[str]
    errors: str


@dataclass(kw_only=True)
class Runner:
    """Runs scripts, each in a sandbox of its own, with what a test adds to the spec."""

    provider: SandboxProvider
    spec: SandboxSpec
    home: Path

    async def __call__(self, script: str, *arguments: str, **spec: object) -> Ran:
        """Run it by `sh` with the workspace as its directory."""
        return await self.run("sh", "-c", script, "sh", *arguments, **spec)

    async def python(self, program: str, *arguments: str, **spec: object) -> Ran:
        """The same, by the worker's interpreter."""
        return await self.run(sys.executable, "-I", "-c", program, *arguments, **spec)

    async def run(self, *argv: str, **spec: object) -> Ran:
        """Any command."""
        sandbox = await self.provider.open(replace(self.spec, **spec))  # type: ignore[arg-type]  # fields by name
        try:
            env = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
            process = await sandbox.start(Launch(argv=argv, cwd=self.spec.workspace, env=env))
            lines = [line.decode() async for line in process.lines()]
            return Ran(await process.wait(), lines, process.error_tail())
        finally:
            await sandbox.close()


class IsolationFixtures:
    """A way to run scripts, and things on the host that they may find."""

    @pytest.fixture
    def box(self, provider: SandboxProvider, spec: SandboxSpec, tmp_path: Path) -> Runner:
        home = tmp_path / "home"
        home.mkdir()
        (home / "canary").write_text("sings")
        return Runner(provider=provider, spec=spec, home=home)

    @pytest.fixture
    def canary_port(self) -> Iterator[int]:
        """Something that listens on the host's loopback."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield server.getsockname()[1]

    @pytest.fixture
    async def web(self) -> AsyncIterator[int]:
        """A web server on the host's loopback that answers every request with its first line."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            body = head.split(b"\r\n")[0]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        server.close()


class AdmissionContract(IsolationFixtures):
    """Given any provider, when a run asks for something, then it gets that or is refused."""

    async def test_given_a_run_that_needs_what_the_provider_does_not_claim_when_it_is_opened_then_it_is_refused(
        self, provider: SandboxProvider, spec: SandboxSpec
    ) -> None:
        for capability in set(SandboxCapability) - provider.capabilities:
            with pytest.raises(CannotEnforce, match=capability.value):
                await provider.open(replace(spec, requires=frozenset({capability})))

    async def test_given_a_run_without_network_when_the_provider_cannot_keep_it_off_then_it_is_refused(
        self, provider: SandboxProvider, spec: SandboxSpec
    ) -> None:
        modes = {NetworkMode.OFF: OFF, NetworkMode.ALLOW: ALLOWLIST}
        for mode in (mode for mode, capability in modes.items() if capability not in provider.capabilities):
            with pytest.raises(CannotEnforce):
                await provider.open(replace(spec, network=Network(mode=mode)))

    async def test_given_a_writable_folder_when_a_run_writes_there_then_it_can_be_seen_outside(
        self, box: Runner, tmp_path: Path
    ) -> None:
        (tmp_path / "cache").mkdir()
        ran = await box(f"echo kept > {tmp_path}/cache/file", writable=(tmp_path / "cache",))
        assert (ran.exit, (tmp_path / "cache" / "file").read_text()) == (Exit(0), "kept\n")

    async def test_given_a_server_on_the_hosts_loopback_when_the_network_is_on_then_it_is_reached(
        self, box: Runner, canary_port: int
    ) -> None:
        assert (await box.python(CONNECT, "127.0.0.1", str(canary_port))).exit == Exit(0)


class IsolationContract(IsolationFixtures):
    """Given a provider that claims to isolate, when a run does this, then that."""

    @pytest.fixture(autouse=True)
    async def isolates(self, provider: SandboxProvider) -> None:
        if lacking := {FILES, OFF, ALLOWLIST} - provider.capabilities:
            pytest.skip(f"{provider.name} cannot isolate everything here, it lacks {', '.join(sorted(lacking))}")

    # Files.

    async def test_given_a_canary_in_the_home_when_a_run_looks_for_it_then_the_home_is_empty_and_can_be_used(
        self, box: Runner
    ) -> None:
        ran = await box('ls -A "$HOME"; cat "$HOME/canary"; echo mine > "$HOME/new" && cat "$HOME/new"')
        assert (ran.exit, ran.lines) == (Exit(0), ["mine"])
        assert not (box.home / "new").exists()

    async def test_given_the_folders_of_the_worker_when_a_run_looks_for_them_then_there_is_the_workspace_alone(
        self, box: Runner, tmp_path: Path
    ) -> None:
        (tmp_path / "another-run").mkdir()
        ran = await box(f"ls -A {tmp_path}")
        assert ran.lines == ["home", "workspace"]

    async def test_given_files_of_the_host_when_a_run_writes_to_them_then_it_cannot(self, box: Runner) -> None:
        places = "/ /usr /usr/bin /etc /etc/passwd /proc/sys/kernel/core_pattern /sys/devices/system/cpu"
        ran = await box(f"for place in {places}; do [ -w $place ] && echo $place; done; touch /usr/x /x /etc/x; true")
        assert ran.lines == []
        assert ran.errors.count("Read-only file system") == 3

    @pytest.mark.parametrize("secret", ["/etc/shadow", "/etc/ssh", "/etc/ssl/private", "/run/docker.sock", "/var/lib"])
    async def test_given_a_secret_place_of_the_host_when_a_run_looks_for_it_then_there_is_none(
        self, box: Runner, secret: str
    ) -> None:
        assert (await box(f"[ ! -e {secret} ]")).exit == Exit(0)

    async def test_given_a_readable_folder_when_a_run_uses_it_then_it_can_read_and_not_write(
        self, box: Runner, tmp_path: Path
    ) -> None:
        (tmp_path / "tools").mkdir()
        (tmp_path / "tools" / "tool").write_text("a tool")
        ran = await box(f"cd {tmp_path}/tools; cat tool; echo >> tool || echo no", readable=(tmp_path / "tools",))
        assert ran.lines == ["a toolno"]

    async def test_given_a_link_that_a_run_left_in_a_writable_folder_when_it_is_declared_then_it_is_not_followed(
        self, box: Runner, tmp_path: Path
    ) -> None:
        link = box.spec.workspace / "cache"
        link.symlink_to(box.home)
        assert (await box("cat cache/canary", readable=(link,))).exit != Exit(0)
        assert (await box("cat cache/canary", writable=(link,))).exit != Exit(0)

    # Processes.

    async def test_given_other_processes_of_the_host_when_a_run_looks_at_proc_then_it_sees_its_own_alone(
        self, box: Runner
    ) -> None:
        ran = await box(f"ls -d /proc/[0-9]* | wc -l; [ -e /proc/{os.getpid()}/environ ] && echo the worker; true")
        assert int(ran.lines[0]) <= 4
        assert ran.lines[1:] == []

    async def test_given_what_guards_a_run_when_the_run_looks_into_it_then_it_cannot(self, box: Runner) -> None:
        ran = await box("cd /proc/1; cat environ; readlink fd/*; cat fd/*; kill -9 1; [ -e /proc/1 ] && echo alive")
        assert ran.lines == ["alive"]

    # The network.

    @pytest.mark.parametrize("mode", [NetworkMode.OFF, NetworkMode.ALLOW])
    async def test_given_a_server_on_the_hosts_loopback_when_it_is_not_allowed_then_it_is_not_reached(
        self, box: Runner, canary_port: int, mode: NetworkMode
    ) -> None:
        ran = await box.python(CONNECT, "127.0.0.1", str(canary_port), network=Network(mode=mode))
        assert "Connection refused" in ran.errors

    async def test_given_no_network_when_a_run_looks_for_it_then_there_is_loopback_and_no_proxy(
        self, box: Runner
    ) -> None:
        ran = await box("cat /proc/net/dev; env | grep -i proxy", network=Network(mode=NetworkMode.OFF))
        assert [line.split(":")[0].strip() for line in ran.lines[2:]] == ["lo"]

    async def test_given_an_allowed_address_when_a_run_asks_for_it_through_the_proxy_then_it_is_answered(
        self, box: Runner, web: int
    ) -> None:
        network = Network(mode=NetworkMode.ALLOW, allow=(f"127.0.0.1:{web}",))
        ran = await box.python(ASK_PROXY, f"http://127.0.0.1:{web}/a?b", network=network)
        assert ran.lines == ["200 GET /a?b HTTP/1.1"]

    async def test_given_an_allowed_address_of_the_hosts_loopback_when_a_run_asks_for_it_directly_then_it_is_answered(
        self, box: Runner, web: int
    ) -> None:
        network = Network(mode=NetworkMode.ALLOW, own=(f"localhost:{web}",))
        ran = await box.python(ASK, f"http://localhost:{web}/", network=network)
        assert ran.lines == ["200 GET / HTTP/1.1"]

    async def test_given_a_host_that_is_not_allowed_when_a_run_asks_for_it_then_it_gets_403_and_the_name_of_the_setting(
        self, box: Runner
    ) -> None:
        network = Network(mode=NetworkMode.ALLOW, allow=("*.example.org",))
        ran = await box.python(ASK, "http://example.com/", network=network)
        assert ran.lines[0].startswith("403 ")
        assert "example.com:80" in ran.lines[0] and "AGENT_SWARM_NETWORK_ALLOW" in ran.lines[0]

    async def test_given_an_allowed_name_of_a_private_address_when_a_run_asks_for_it_then_it_gets_403(
        self, box: Runner, web: int
    ) -> None:
        name = socket.gethostname()
        if is_public(ipaddress.ip_address(socket.gethostbyname(name))):
            pytest.skip("this host's name is a public address")
        network = Network(mode=NetworkMode.ALLOW, allow=(f"{name}:{web}",))
        ran = await box.python(ASK, f"http://{name}:{web}/", network=network)
        assert ran.lines[0].startswith("403 ") and "not public" in ran.lines[0]
