"""The list of allowed hosts: how entries read, what they cover, and which addresses a name may turn out to be."""

import ipaddress

import pytest

from agent_swarm.domain.addresses import is_public, normalized
from agent_swarm.sandbox.allowlist import AllowList, Entry


@pytest.mark.parametrize(
    ("entry", "host", "port", "is_covered"),
    [
        ("example.org", "example.org", 443, True),
        ("example.org", "example.org", 80, True),
        ("example.org", "example.org", 8443, False),
        ("example.org", "www.example.org", 443, False),
        ("example.org", "badexample.org", 443, False),
        ("Example.ORG.", "example.org", 443, True),
        ("example.org:8443", "example.org", 8443, True),
        ("example.org:8443", "example.org", 443, False),
        ("*.example.org", "www.example.org", 443, True),
        ("*.example.org", "a.b.example.org", 80, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("*.example.org:22", "git.example.org", 22, True),
        ("10.0.0.7:8080", "10.0.0.7", 8080, True),
        ("[::1]:8080", "::1", 8080, True),
        ("::1", "::1", 443, True),
        ("[::ffff:10.0.0.7]:80", "10.0.0.7", 80, True),
    ],
)
def test_given_an_entry_when_a_host_is_asked_for_then_it_covers_what_it_says_and_no_more(
    entry: str, host: str, port: int, is_covered: bool
) -> None:
    assert Entry.parse(entry).covers(host, port) is is_covered


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.",
        "a b",
        "a:0",
        "a:65536",
        "a:http",
        "a:+80",
        "http://a",
        "a/b",
        "*.10.0.0.1",
        "[::1",
        "[::1]x",
        "1.2",
    ],
)
def test_given_a_text_that_is_no_entry_when_it_is_read_then_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        AllowList.of([text])


@pytest.mark.parametrize(
    "host", ["0177.1", "0x7f.1", "2130706433", "127.1", "a..b", "-", "a_b.c%00", "é.org", "x" * 254]
)
def test_given_an_unusual_spelling_of_a_host_when_it_is_normalized_then_it_is_a_name_with_a_letter_or_refused(
    host: str,
) -> None:
    with pytest.raises(ValueError):
        normalized(host)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
        *("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "224.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fd00:ec2::254", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1"),
    ],
)
def test_given_an_address_that_leads_inside_when_it_is_judged_then_it_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    assert not AllowList.of(["*.example.org", "www.example.org"]).admits(
        "www.example.org", ipaddress.ip_address(address), 443
    )


@pytest.mark.parametrize("address", ["1.1.1.1", "140.82.121.4", "2606:4700::1111", "64:ff9b::101:101"])
def test_given_an_address_of_the_public_network_when_it_is_judged_then_a_named_host_may_have_it(address: str) -> None:
    assert AllowList.of(["example.org"]).admits("example.org", ipaddress.ip_address(address), 443)


PRIVATE = ipaddress.ip_address("10.0.0.7")


@pytest.mark.parametrize(
    ("allow", "own", "port", "is_admitted"),
    [
        (["git.corp"], [], 443, False),
        (["git.corp:443"], [], 443, False),
        (["git.corp", "10.0.0.7:443"], [], 443, True),
        (["git.corp", "10.0.0.7:8443"], [], 443, False),
        (["git.corp", "10.0.0.8:443"], [], 443, False),
        ([], ["git.corp:443"], 443, True),
        (["*.corp"], ["api.corp:443"], 443, False),
    ],
)
def test_given_a_name_of_a_private_address_when_it_is_judged_then_the_address_is_listed_or_the_name_vouched_for(
    allow: list[str], own: list[str], port: int, is_admitted: bool
) -> None:
    assert AllowList.of(allow, own).admits("git.corp", PRIVATE, port) is is_admitted


def test_given_loopback_addresses_on_the_list_when_doors_are_made_then_each_has_one_and_nothing_else_has() -> None:
    allowed = AllowList.of(
        [
            "127.0.0.1:8080",
            "localhost:9090",
            "[::1]:7070",
            "example.org:80",
            "10.0.0.1:1",
            "127.0.0.1",
            "*.localhost:5",
        ],
        ["127.0.0.1:8080"],
    )
    assert allowed.doors == (("127.0.0.1", 8080), ("127.0.0.1", 9090), ("::1", 7070))
