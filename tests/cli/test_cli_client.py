"""The REST client, against real sockets."""

import socket

import pytest
from tests.cli.recorded_server import HANG_UP, RecordedServer, answer, refusal

from agent_swarm.cli.address import Server
from agent_swarm.cli.client import Client, encoded
from agent_swarm.cli.failures import UNREACHABLE, ConnectionLost, Unreachable, exit_code_of
from agent_swarm.domain.errors import Busy, Denied, IllegalTransition, Unauthenticated, UnknownTask
from agent_swarm.protocol.errors import RemoteError

TASK = {"id": "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"}


@pytest.fixture
def client(recorded_server: RecordedServer) -> Client:
    return Client(Server(recorded_server.url, "the-key"))


def test_given_a_key_when_asking_then_it_is_shown_as_a_bearer_token(
    client: Client, recorded_server: RecordedServer
) -> None:
    recorded_server.will(answer({"agents": []}))
    assert client.get("/api/agents") == {"agents": []}
    assert recorded_server.requests[0].headers["authorization"] == "Bearer the-key"


def test_given_a_connection_that_breaks_when_creating_then_the_same_is_sent_again_under_the_same_key(
    client: Client, recorded_server: RecordedServer
) -> None:
    recorded_server.will(HANG_UP, HANG_UP, answer(TASK, 201))
    assert client.create("/api/tasks", {"prompt": "Build"}) == TASK
    keys = {request.headers["idempotency-key"] for request in recorded_server.requests}
    assert (len(recorded_server.requests), len(keys)) == (3, 1)
    assert all(request.json() == {"prompt": "Build"} for request in recorded_server.requests)


def test_given_anything_in_the_place_of_an_id_when_it_is_sent_then_the_server_says_that_it_is_none(
    client: Client, recorded_server: RecordedServer
) -> None:
    recorded_server.will(refusal("unknownTask", 404))
    with pytest.raises(UnknownTask):
        client.get("/api/tasks/two words\n\u00e9 and%20one", {"limit": 3})
    assert recorded_server.requests[0].path == "/api/tasks/two%20words%0A%C3%A9%20and%20one?limit=3"


def test_given_two_creates_then_each_has_a_key_of_its_own(client: Client, recorded_server: RecordedServer) -> None:
    recorded_server.will(answer(TASK, 201))
    client.create("/api/tasks", {"prompt": "Build"})
    client.create("/api/tasks", {"prompt": "Build"})
    first, second = recorded_server.requests
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


def test_given_a_connection_that_breaks_when_cancelling_then_it_is_not_sent_again(
    client: Client, recorded_server: RecordedServer
) -> None:
    recorded_server.will(HANG_UP)
    with pytest.raises(ConnectionLost, match="broke before the answer came") as lost:
        client.post("/api/tasks/1/cancel")
    assert len(recorded_server.requests) == 1
    assert "may have happened" in lost.value.hint


def test_given_a_busy_server_when_reading_then_it_is_asked_again(
    client: Client, recorded_server: RecordedServer
) -> None:
    recorded_server.will(refusal("busy", 503), answer({"tasks": []}))
    assert client.get("/api/tasks") == {"tasks": []}


def test_given_a_busy_server_when_cancelling_then_it_says_so(client: Client, recorded_server: RecordedServer) -> None:
    recorded_server.will(refusal("busy", 503))
    with pytest.raises(Busy):
        client.post("/api/tasks/1/cancel")


def test_given_nobody_listens_then_it_is_unreachable_at_once_with_what_to_do() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = Server(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(Unreachable, match="no server answers at") as unreachable:
            Client(server).get("/api/tasks")
    assert "agent-swarm up" in unreachable.value.hint
    assert exit_code_of(unreachable.value) == UNREACHABLE


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("unknownTask", 404, UnknownTask),
        ("illegalTransition", 409, IllegalTransition),
        ("denied", 403, Denied),
        ("somethingNew", 418, RemoteError),
    ],
)
def test_given_a_refusal_then_it_becomes_the_registered_error(
    code: str, status: int, error: type[Exception], client: Client, recorded_server: RecordedServer
) -> None:
    recorded_server.will(refusal(code, status, "it said no", "try this"))
    with pytest.raises(error, match="it said no") as refused:
        client.get("/api/tasks/1")
    assert getattr(refused.value, "hint") == "try this"  # noqa: B009 - the type is a parameter here


def test_given_a_key_that_is_unknown_then_the_hint_names_the_variable_and_not_the_header(
    client: Client, recorded_server: RecordedServer
) -> None:
    recorded_server.will(refusal("unauthenticated", 401, hint="send a valid token: Authorization: Bearer <token>"))
    with pytest.raises(Unauthenticated) as refused:
        client.get("/api/tasks")
    assert "the key that was sent is not one of this server's; set API_KEY" in refused.value.hint
    assert "Bearer" not in refused.value.hint


def test_given_another_kind_of_server_then_the_answer_is_not_taken_for_ours(
    client: Client, recorded_server: RecordedServer
) -> None:
    recorded_server.will(answer(b"<html>hello</html>", 200, "text/html"))
    with pytest.raises(RemoteError, match="something other than JSON"):
        client.get("/api/tasks")


def test_given_a_list_of_several_pages_then_all_are_read(client: Client, recorded_server: RecordedServer) -> None:
    recorded_server.will(answer({"tasks": [1], "nextCursor": "c"}), answer({"tasks": [2], "nextCursor": None}))
    assert [page["tasks"] for page in client.pages("/api/tasks", {"status": "pending"})] == [[1], [2]]
    assert recorded_server.requests[1].path == "/api/tasks?limit=200&status=pending&cursor=c"


def test_given_a_server_below_a_path_then_requests_go_below_it(recorded_server: RecordedServer) -> None:
    recorded_server.will(answer({}))
    Client(Server(f"{recorded_server.url}/swarm")).get("/health")
    assert recorded_server.requests[0].path == "/swarm/health"


def test_given_a_query_then_empty_values_are_left_out() -> None:
    assert encoded({"status": "a b", "agentId": None, "tag": ""}) == "?status=a+b"
    assert encoded({}) == ""
