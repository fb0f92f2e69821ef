"""What `doctor` finds."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Ended, Run
from tests.cli.recorded_server import RecordedServer, answer, refusal

from agent_swarm.cli.sandbox_checks import finding
from agent_swarm.sandbox.base import Probe, Sandbox, SandboxCapability, SandboxSpec

UP = answer({"status": "ok"})


def found(ended: Ended) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(ended.out)["checks"]}


def test_given_no_server_then_it_warns_and_looks_whether_one_could_start(run: Run) -> None:
    ended = run("doctor", "--json", "--url", "http://127.0.0.1:1")
    checks = found(ended)
    assert checks["server"]["status"] == "warn"
    assert "port" in checks
    assert checks["python"]["status"] == checks["git"]["status"] == checks["sqlite"]["status"] == "ok"


@pytest.mark.slow
def test_given_something_else_on_the_port_then_it_fails_and_says_what_to_do(
    run: Run, recorded_server: RecordedServer
) -> None:
    recorded_server.will(b"")
    ended = run("doctor", "--json", "--url", recorded_server.url)
    assert ended.code == 1
    assert found(ended)["port"]["status"] == "fail"
    assert "--port" in found(ended)["port"]["remedy"]


@pytest.mark.parametrize(
    ("key", "status", "code"), [(answer({"agents": []}), "ok", 0), (refusal("unauthenticated", 401), "fail", 1)]
)
def test_given_a_server_then_it_says_whether_the_key_is_accepted(
    key: bytes, status: str, code: int, run: Run, recorded_server: RecordedServer
) -> None:
    recorded_server.will(UP, key)
    ended = run("doctor", "--json", "--url", recorded_server.url)
    assert (found(ended)["server"]["status"], found(ended)["key"]["status"], ended.code) == ("ok", status, code)


@pytest.mark.parametrize(("mode", "status"), [(0o600, "ok"), (0o644, "fail")])
def test_given_a_key_file_then_others_must_not_read_it(
    mode: int, status: str, run: Run, recorded_server: RecordedServer, tmp_path: Path
) -> None:
    recorded_server.will(UP, answer({"agents": []}))
    (tmp_path / "api-key").write_text("k")
    (tmp_path / "api-key").chmod(mode)
    ended = run("doctor", "--json", "--url", recorded_server.url, env={"DATA_DIR": str(tmp_path)})
    assert found(ended)["key file"]["status"] == status
    assert found(ended)["key file"]["remedy"] == ("" if status == "ok" else f"chmod 600 {tmp_path / 'api-key'}")


def test_given_a_terminal_reader_then_each_finding_is_a_line_with_its_remedy_below(run: Run) -> None:
    lines = run("doctor", "--url", "http://127.0.0.1:1").out.splitlines()
    assert lines[0].startswith("ok    python")
    assert any(line.strip() == "→ start one with: agent-swarm up" for line in lines)


class Provider:
    """A kind of sandbox that has been probed."""

    def __init__(self, *capabilities: SandboxCapability) -> None:
        self.name = "box"
        self.capabilities = frozenset(capabilities)

    async def probe(self) -> Probe:
        raise NotImplementedError

    async def open(self, spec: SandboxSpec) -> Sandbox:
        raise NotImplementedError

    async def sweep(self, state_dir: Path) -> int:
        raise NotImplementedError


FILES, NETWORK = SandboxCapability.FILESYSTEM_ISOLATED, SandboxCapability.NETWORK_OFF


@pytest.mark.parametrize(
    ("provider", "probe", "is_needed", "status"),
    [
        (Provider(FILES, NETWORK), Probe(True, "fine"), False, "ok"),
        (Provider(FILES), Probe(True, "no network", "AppArmor"), False, "warn"),
        (Provider(), Probe(False, "no bwrap", "install it"), False, "warn"),
        (Provider(), Probe(False, "no sh", "install it"), True, "fail"),
    ],
)
def test_given_a_probe_of_a_sandbox_then_the_finding_is_as_grave_as_what_is_lacking(
    provider: Provider, probe: Probe, is_needed: bool, status: str
) -> None:
    check = finding(provider, probe, is_needed=is_needed)
    assert (check.name, check.status, check.remedy) == ("sandbox box", status, probe.remedy)


def test_given_this_machine_then_each_kind_of_sandbox_has_a_finding(run: Run) -> None:
    checks = found(run("doctor", "--json", "--url", "http://127.0.0.1:1"))
    assert {"sandbox bubblewrap", "sandbox process"} <= checks.keys()
