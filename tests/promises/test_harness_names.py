"""The server knows the harnesses by name only; the names are those that workers have."""

from agent_swarm.harness import registry
from agent_swarm.services.harnesses import HARNESSES


def test_given_the_harnesses_of_workers_when_the_server_is_asked_then_it_takes_these_names_and_no_others() -> None:
    assert registry.known_names() == HARNESSES
