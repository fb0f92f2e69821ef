"""Abbreviated ids."""

import pytest
from tests.cli.recorded_server import RecordedServer, answer

from agent_swarm.cli.address import Server
from agent_swarm.cli.client import Client
from agent_swarm.cli.task.ids import Named, agent_named, matching, task_ids
from agent_swarm.domain.errors import InvalidInput, NotFound

BUILD = Named("01a1fa75-5118-74c3-9621-bc1952d5f828", "Build")
TEST = Named("01a1fa75-5118-7473-b601-e94907715069", "Test")
DOCS = Named("01a1fb00-0000-7473-b601-000001a1fa75", "Docs")
ALL = [BUILD, TEST, DOCS]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("01a1fa75-5118-74c", BUILD),
        ("01A1FB", DOCS),
        ("52d5f828", BUILD),
        ("5069", TEST),
        ("  52d5f828 ", BUILD),
    ],
)
def test_given_a_unique_beginning_or_end_then_it_is_that_one(text: str, found: Named) -> None:
    assert matching(text, ALL, kind="task") == found.id


def test_given_a_beginning_that_is_also_an_end_then_the_beginning_counts() -> None:
    assert matching("01a1fa75", [TEST, DOCS], kind="task") == TEST.id


def test_given_several_candidates_then_they_are_named() -> None:
    with pytest.raises(InvalidInput, match=r"could be 2 tasks: .*Build.*Test.*"):
        matching("01a1fa75-5118", ALL, kind="task")


@pytest.mark.parametrize("text", ["abc", "", "build", "52d5f82z"])
def test_given_too_little_or_no_id_then_it_says_how_much_is_needed(text: str) -> None:
    with pytest.raises(NotFound) as refused:
        matching(text, ALL, kind="task")
    assert "at least 4 characters" in refused.value.hint


def test_given_no_candidate_then_it_says_where_to_look() -> None:
    with pytest.raises(NotFound, match="no recent task has an id like 'ffff'") as refused:
        matching("ffff", ALL, kind="task")
    assert refused.value.hint.endswith("agent-swarm task list")


def test_given_whole_ids_then_the_server_is_not_asked(recorded_server: RecordedServer) -> None:
    client = Client(Server(recorded_server.url))
    assert task_ids(client, [BUILD.id.upper(), TEST.id]) == [BUILD.id, TEST.id]
    assert recorded_server.requests == []


def test_given_several_abbreviations_then_the_list_is_read_once_over_all_its_pages(
    recorded_server: RecordedServer,
) -> None:
    pages = [{"tasks": [{"id": one.id, "title": one.name}], "nextCursor": one.id} for one in ALL]
    pages[-1]["nextCursor"] = None  # type: ignore[assignment]
    recorded_server.will(*map(answer, pages))
    assert task_ids(Client(Server(recorded_server.url)), ["52d5f828", "5069"]) == [BUILD.id, TEST.id]
    assert len(recorded_server.requests) == 3


def test_given_an_agents_name_in_any_case_then_it_is_found_before_ids() -> None:
    agents = [{"id": BUILD.id, "name": "dada"}, {"id": TEST.id, "name": "Worker-1"}]
    assert agent_named(agents, "worker-1")["id"] == TEST.id
    assert agent_named(agents, "DADA")["id"] == BUILD.id
    assert agent_named(agents, "5069")["id"] == TEST.id
    with pytest.raises(NotFound, match="no agent has the id"):
        agent_named(agents, DOCS.id)
