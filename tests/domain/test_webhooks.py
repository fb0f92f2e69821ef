"""Where webhooks may go, what answers mean, and when they are tried again."""

import ipaddress
import itertools

import pytest

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.time import SECOND
from agent_swarm.domain.webhooks import (
    GIVE_UP_AFTER,
    Target,
    Verdict,
    Vouched,
    asked_pause,
    next_try,
    target_of,
    verdict_on,
)

NOW = 1_800_000_000 * SECOND


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("https://Hooks.Example/a/b?c=d", "https://hooks.example", "/a/b?c=d"),
        ("http://hooks.example:8080", "http://hooks.example:8080", "/"),
        ("https://hooks.example:443/x", "https://hooks.example", "/x"),
        ("http://[2001:DB8::1]:81/", "http://[2001:db8::1]:81", "/"),
        ("http://[::ffff:127.0.0.1]/", "http://127.0.0.1", "/"),
    ],
)
def test_given_an_address_when_it_is_read_then_its_server_has_one_name(url: str, origin: str, path: str) -> None:
    target = target_of(url)
    assert (target.origin, target.path) == (origin, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "ftp://hooks.example",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@hooks.example",
        "https://hooks.example/#part",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nX: y",
        "https://hooks.example:99999/",
        "https://hooks.example:0/",
        "https://0177.1/",
        "https://höoks.example/",
        f"https://hooks.example/{'x' * 2_000}",
    ],
)
def test_given_what_is_no_address_of_a_webhook_when_it_is_read_then_it_is_refused_without_a_secret(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        target_of(url)
    assert "secret" not in refused.value.message
    assert refused.value.details["field"] == "url"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "192.168.0.1", "0.0.0.0"],
)
def test_given_an_address_that_is_not_public_when_nobody_vouches_for_it_then_nothing_is_sent(address: str) -> None:
    target, found = target_of("https://hooks.example:8443/"), ipaddress.ip_address(address)
    assert not Vouched().admits(target, found)
    assert not Vouched.parse(["other.example", "hooks.example:443"]).admits(target, found)
    assert Vouched.parse(["hooks.example"]).admits(target, found)
    assert Vouched.parse(["Hooks.Example:8443"]).admits(target, found)
    bare = f"[{address}]" if ":" in address else address
    assert Vouched.parse([f"{bare}:8443"]).admits(target, found)


def test_given_a_public_address_then_nobody_has_to_vouch_for_it() -> None:
    assert Vouched().admits(target_of("https://hooks.example/"), ipaddress.ip_address("93.184.216.34"))


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        (Verdict.TAKEN, (200, 202, 204)),
        (Verdict.AGAIN, (408, 425, 429, 500, 502, 503, 504)),
        (Verdict.NEVER, (301, 302, 307, 400, 401, 404, 410, 422)),
    ],
)
def test_given_a_status_then_it_is_taken_tried_again_or_given_up(verdict: Verdict, statuses: tuple[int, ...]) -> None:
    assert {verdict_on(status) for status in statuses} == {verdict}


def test_given_failures_in_a_row_when_it_is_tried_again_then_pauses_grow_and_a_day_is_the_end() -> None:
    now, tries, pauses = NOW, 0, []
    while True:
        tries += 1
        at = next_try("f", tries, since=NOW, now=now)
        if at is None:
            break
        pauses.append(at - now)
        now = at
    assert 3.5 * SECOND <= pauses[0] <= 5 * SECOND
    assert all(later > earlier for earlier, later in itertools.pairwise(pauses[:6]))
    assert max(pauses) <= 4 * 3_600 * SECOND
    assert NOW + GIVE_UP_AFTER - 4 * 3_600 * SECOND <= now <= NOW + GIVE_UP_AFTER
    assert 8 <= tries <= 20


def test_given_many_that_failed_together_when_they_are_tried_again_then_they_do_not_come_back_together() -> None:
    assert len({next_try(f"f{number}", 3, since=NOW, now=NOW) for number in range(100)}) > 50


def test_given_an_endpoint_that_asks_for_a_pause_then_it_is_left_alone_as_long() -> None:
    assert next_try("f", 1, since=NOW, now=NOW, asked_for=600 * SECOND) == NOW + 600 * SECOND
    assert next_try("f", 1, since=NOW, now=NOW, asked_for=GIVE_UP_AFTER + 1) is None


def test_given_a_delivery_that_is_sent_again_on_another_day_then_its_pauses_begin_anew() -> None:
    at = next_try("f", 12, since=NOW, now=NOW)
    assert at is not None
    assert at <= NOW + 5 * SECOND


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("9" * 40, 0),
        ("٣", 0),
    ],
)
def test_given_a_header_retry_after_then_it_is_read_in_both_forms(text: str, seconds: int) -> None:
    assert asked_pause(text, now=NOW) == seconds * SECOND


def test_given_a_target_then_what_host_says_has_the_port_where_it_is_not_the_usual_one() -> None:
    assert Target(scheme="https", host="h", port=443, path="/").authority == "h"
    assert Target(scheme="http", host="h", port=443, path="/").authority == "h:443"
