"""A guest that may reach listed hosts alone: what it gets from servers on the host's loopback, and what it does not."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.vm.conftest import SMALL
from tests.vm.test_vm_kills import known
from tests.vm.test_vm_life_cycle import said

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.testing.waiting import until
from agent_swarm.vm.egress.hosts import ALWAYS, Reach, reach_of
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.machine import Egress, Machine
from agent_swarm.vm.names import project_ref, task_ref
from agent_swarm.vm.processes import started_with
from agent_swarm.vm.projects import create_project
from agent_swarm.vm.tasks import create_task, stop_task

CONTENT = os.urandom(2_000_000)
FIX = task_ref("fix")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(CONTENT if self.path == "/big" else f"{self.path} of {self.server.server_port}\n".encode())  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(hashlib.md5(data).hexdigest().encode())

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def servers() -> Iterator[tuple[int, int]]:
    """The ports of two servers on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as one, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as two:
        for server in (one, two):
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield one.server_port, two.server_port
        for server in (one, two):
            server.shutdown()


def in_guest(host: VmHost, script: str) -> str:
    return said(host, FIX, "sh", "-c", f"{script}; true")


def gates(host: VmHost) -> list[int]:
    """The pids of the gates of these VMs."""
    return [one.pid for one in started_with(str(host.layout.root)) if _is_gate(one.pid)]


def _is_gate(pid: int) -> bool:
    return b"agent_swarm.vm.egress.gate" in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.slow
def test_given_a_list_of_hosts_when_a_guest_connects_then_it_reaches_those_and_nothing_else(
    tiny_host: VmHost, servers: tuple[int, int]
) -> None:
    listed, other = servers
    create_project(tiny_host, "shop", size=SMALL)
    create_task(tiny_host, "shop", "fix", allow=[f"127.0.0.1:{listed}"])
    assert in_guest(tiny_host, "ls /sys/class/net") == "lo\n"
    assert in_guest(tiny_host, f"wget -q -O - http://127.0.0.1:{listed}/a?b") == f"/a?b of {listed}\n"
    refused = in_guest(tiny_host, f"wget -O - http://127.0.0.1:{other}/ 2>&1")
    assert "403 Forbidden" in refused
    assert f"of {other}" not in refused
    for address in (f"10.0.2.2:{listed}", f"10.0.2.2:{other}", f"127.0.0.1:{listed}"):  # past the proxy
        told = in_guest(tiny_host, f"unset http_proxy HTTP_PROXY; wget -T 5 -O - http://{address}/ 2>&1")
        assert "of " not in told.replace("Network is unreachable", "")

    tunnel = f"CONNECT 127.0.0.1:{listed} HTTP/1.1\\r\\n\\r\\nGET /deep HTTP/1.0\\r\\n\\r\\n"
    assert f"/deep of {listed}" in in_guest(tiny_host, f"printf '{tunnel}' | nc 127.0.0.1 13128")
    closed = f"CONNECT 127.0.0.1:{other} HTTP/1.1\\r\\n\\r\\n"
    assert "403 Forbidden" in in_guest(tiny_host, f"printf '{closed}' | nc 127.0.0.1 13128")
    log = tiny_host.paths(FIX).egress_log.read_text()
    assert log.count(f"refused 127.0.0.1:{other}: it is not on the list") == 1

    digest = in_guest(tiny_host, f"wget -q -O - http://127.0.0.1:{listed}/big | md5sum").split()[0]
    assert digest == hashlib.md5(CONTENT).hexdigest()
    head = f"CONNECT 127.0.0.1:{listed} HTTP/1.1\\r\\n\\r\\nPOST / HTTP/1.0\\r\\nContent-Length: 700000\\r\\n\\r\\n"
    sent = f"head -c 700000 /dev/urandom > x; md5sum < x; (printf '{head}'; cat x) | nc 127.0.0.1 13128"
    digests = in_guest(tiny_host, sent).split()
    assert digests[0] == digests[-1]
    many = f"for i in $(seq 80); do wget -q -O - http://127.0.0.1:{listed}/$i & done; wait"
    assert in_guest(tiny_host, many).count(f" of {listed}") == 80

    (gate,) = gates(tiny_host)
    os.kill(gate, 9)
    asyncio.run(until(lambda: gates(tiny_host) == []))
    assert in_guest(tiny_host, f"wget -q -O - http://127.0.0.1:{listed}/again") == f"/again of {listed}\n"
    assert Machine.read(tiny_host.paths(FIX).config).allow == (*ALWAYS, f"127.0.0.1:{listed}")
    assert stop_task(tiny_host, "fix")
    asyncio.run(until(lambda: gates(tiny_host) == []))


@pytest.mark.parametrize("entry", ["", "http://example.com", "a b", "*.127.0.0.1", "host:99999"])
def test_given_what_is_no_entry_then_it_is_refused_before_anything_is_made(entry: str, vm_host: VmHost) -> None:
    with pytest.raises(InvalidInput, match="no entry of a list of hosts"):
        create_task(vm_host, "shop", "fix", allow=[entry])
    assert not vm_host.layout.root.exists()


def test_given_a_way_then_the_list_is_the_models_and_what_was_asked_for() -> None:
    assert reach_of(Egress.ALLOWLIST, ["*.example.com", ALWAYS[0]]).hosts == (*ALWAYS, "*.example.com")
    assert reach_of(Egress.OPEN, []) == Reach(Egress.OPEN)
    with pytest.raises(InvalidInput, match="hosts are listed, and egress is none"):
        reach_of(Egress.NONE, ["example.com"])


@pytest.mark.slow
def test_given_a_vm_of_an_earlier_version_then_it_keeps_what_it_had(tiny_host: VmHost) -> None:
    known(tiny_host, project_ref("shop"))
    config = tiny_host.paths(project_ref("shop")).config
    config.write_text(config.read_text().replace(',\n  "allow": []', ""))
    assert Machine.read(config).allow == ()
