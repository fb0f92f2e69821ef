"""The client of QEMU's machine protocol, against a socket that says what the test wants."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent_swarm.vm.qemu.endpoints import Endpoint, escaped
from agent_swarm.vm.qemu.qmp import Qmp, QmpError

GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\r\n'
DONE = b'{"return": {}}\r\n'

Serve = Callable[..., Endpoint]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A socket that says its lines: the first at once, each further one after a line was read."""
    heard: list[threading.Thread] = []

    def start(*lines: bytes, commands: list[str] | None = None) -> Endpoint:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "qmp"))
        listener.listen()

        def work() -> None:
            connection, _ = listener.accept()
            with connection, listener, connection.makefile("rb") as file:
                connection.sendall(lines[0])
                for line in lines[1:]:
                    request = json.loads(file.readline() or b"null")
                    if commands is not None and request:
                        commands.append(json.dumps(request))
                    connection.sendall(line)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        heard.append(thread)
        return Endpoint(tmp_path / "qmp")

    yield start
    for thread in heard:
        thread.join(5)


def test_given_events_between_answers_then_the_answer_is_found(serve: Serve) -> None:
    commands: list[str] = []
    event = b'{"event": "STOP"}\r\n'
    endpoint = serve(GREETING, event + DONE, event + b'{"return": {"UUID": "x"}}\n', commands=commands)
    with Qmp.connect(endpoint) as qmp:
        assert qmp.execute("query-uuid", node_name="disk") == {"UUID": "x"}
    assert json.loads(commands[1]) == {"execute": "query-uuid", "arguments": {"node-name": "disk"}}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((GREETING, DONE, b'{"error": {"class": "x", "desc": "not now"}}\n'), "refused stop: not now"),
        ((GREETING, DONE, b"<html>\n"), "not JSON"),
        ((GREETING, DONE, b"[]\n"), "no JSON object"),
        ((GREETING, DONE), "closed the connection|Connection reset|does not take stop"),
    ],
)
def test_given_a_refusal_or_nonsense_then_it_is_an_error_that_says_so(
    serve: Serve, lines: tuple[bytes, ...], said: str
) -> None:
    with Qmp.connect(serve(*lines)) as qmp, pytest.raises(QmpError, match=said):
        qmp.execute("stop")


def test_given_a_qemu_that_says_nothing_then_the_wait_has_an_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "qmp"))
        listener.listen()
        with pytest.raises(QmpError, match="does not answer"):
            Qmp.connect(Endpoint(tmp_path / "qmp"), timeout=0.1)


def test_given_nobody_there_then_it_is_said_where(tmp_path: Path) -> None:
    with pytest.raises(QmpError, match=r"no QEMU answers at .*qmp"):
        Qmp.connect(Endpoint(tmp_path / "qmp"))


def test_given_endpoints_then_they_survive_being_written_down() -> None:
    for endpoint in (Endpoint(Path("/run/a,b")), Endpoint(port=7000)):
        assert Endpoint.from_text(endpoint.to_text()) == endpoint
    assert Endpoint(Path("/run/a,b")).option == "path=/run/a,,b"
    assert escaped("a,b,,c") == "a,,b,,,,c"
