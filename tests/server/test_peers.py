"""Whose address counts: a header that anybody can write says nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.server.peers import UNKNOWN, Peers, parse_networks


def scope(client: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return {"client": (client, 1234) if client else None, "headers": headers}


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_given_no_trusted_proxy_when_any_header_comes_then_the_connections_address_counts(forged: str) -> None:
    assert Peers().address(scope("198.51.100.7", forged)) == "198.51.100.7"


@pytest.mark.parametrize(
    ("client", "forwarded", "found"),
    [
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),  # what the client made up stands before it
        ("10.0.0.1", ["1.2.3.4", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
        ("198.51.100.7", ["203.0.113.9"], "198.51.100.7"),  # it is no proxy of ours
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
    ],
)
def test_given_a_trusted_proxy_when_it_names_a_client_then_the_last_untrusted_address_counts(
    client: str, forwarded: list[str], found: str
) -> None:
    assert Peers(parse_networks("10.0.0.0/8")).address(scope(client, *forwarded)) == found


def test_given_addresses_of_one_ipv6_site_when_they_call_then_they_are_counted_together() -> None:
    peers = Peers()

    assert peers.address(scope("2001:db8::1")) == peers.address(scope("2001:db8::ffff:1")) == "2001:db8::/64"
    assert peers.address(scope(None)) == UNKNOWN


@pytest.mark.parametrize("text", ["10.0.0.0/99", "proxy.example", "10.0.0.1/8"])
def test_given_networks_that_are_none_when_they_are_read_then_they_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_networks(text)
