"""Canaries: secrets of every known shape must not survive, and ordinary text must."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.redaction.shapes import SHAPES
from agent_swarm.services.redaction import MARK, Redactor
from agent_swarm.services.tokens import mint, new_api_key
from agent_swarm.store.records import AttemptReport, TokenKind

KEY = "correct horse/battery+staple=é"
REDACTOR = Redactor([KEY, "short"])
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\nzzzz\n-----END OPENSSH PRIVATE KEY-----"

CANARIES = {
    **{f"{shape.name} {shape.needle}": shape.example for shape in SHAPES if shape.is_token},
    "our attempt token": mint(TokenKind.ATTEMPT, now=0).text,
    "our agent token": mint(TokenKind.AGENT, now=0).text,
    "our api key": new_api_key(),
    "anthropic": "sk-ant-api03-AbCdEf0123456789_-AbCdEf0123456789",
    "openai": "sk-proj-AbCdEf0123456789AbCdEf0123456789AbCd",
    "github classic": "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "github server": "ghs_0123456789abcdefghijABCDEFGHIJ012345",
    "github fine grained": "github_pat_11ABCDEFG0abcdefghijkl_0123456789abcdefghijklmnop",
    "slack bot": "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
    "slack app": "xapp-1-A0123456789-1234567890123-abcdef0123456789",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "aws session": "ASIAIOSFODNN7EXAMPLE",
    "google": "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "private key": PRIVATE,
    "cut private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA",
    "the operator's own": KEY,
    "the operator's own in JSON": json.dumps(KEY)[1:-1],
    "the operator's own in a URL": "correct%20horse%2Fbattery%2Bstaple%3D%C3%A9",
}


@pytest.mark.parametrize("canary", CANARIES.values(), ids=CANARIES)
@pytest.mark.parametrize("around", ["{}", "before {} after", '"{}"', "token={}\n", "({})", "x\n{}"])
def test_given_a_secret_in_a_text_when_it_is_redacted_then_nothing_of_it_is_left(canary: str, around: str) -> None:
    redacted = REDACTOR.text(around.format(canary))

    assert MARK in redacted
    assert canary not in redacted
    assert canary[len(canary) // 2 :] not in redacted


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer abc.def.ghi", f"Authorization: Bearer {MARK}"),
        ('{"authorization": "Basic dXNlcjpwYXNz"}', f'{{"authorization": "Basic {MARK}"}}'),
        ("curl -H 'Authorization: token 0123456789'", f"curl -H 'Authorization: token {MARK}'"),
        ("bearer 0123456789abcdefghij", f"bearer {MARK}"),
        ("https://ada:hunter2@example.com/x.git", f"https://ada:{MARK}@example.com/x.git"),
        ("postgresql://swarm:p%40ss@db/swarm", f"postgresql://swarm:{MARK}@db/swarm"),
    ],
)
def test_given_credentials_in_their_usual_place_when_they_are_redacted_then_the_place_stays(
    text: str, left: str
) -> None:
    assert REDACTOR.text(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "the bearer of this letter, and bearer authentication in general",
        "https://example.com:8080/path?x=1@2",
        "git@github.com:owner/repo.git",
        "a short cut: short",
        "sk-learn, ghp_, AKIA, xoxb and eyJ are prefixes",
        "commit 3f2504e04f8911d39a0c0305e82c3301 on swarm/0197a1c2-5b7e-7c3d-9e4f-0123456789ab/1",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "ünïcödé 🎉 \x00 \ud800",
    ],
)
def test_given_an_ordinary_text_when_it_is_redacted_then_it_stays_as_it_is(text: str) -> None:
    assert REDACTOR.text(text) == text


def test_given_json_when_it_is_redacted_then_keys_and_values_at_every_depth_are_clean() -> None:
    token = CANARIES["github classic"]
    deep: Any = {"leaf": [token, 1, None, True, 1.5]}
    for _ in range(50):
        deep = {"in": (deep,), token: "key"}

    redacted = REDACTOR.value(deep)

    assert token not in json.dumps(redacted)
    assert json.dumps(redacted).count(MARK) == 51
    assert REDACTOR.value({"a": [1, None, True, 1.5, "b"]}) == {"a": [1, None, True, 1.5, "b"]}


def test_given_json_that_is_nested_too_deeply_when_it_is_redacted_then_its_depth_is_left_out() -> None:
    deep: Any = CANARIES["aws"]
    for _ in range(5000):
        deep = [deep]

    assert CANARIES["aws"] not in json.dumps(REDACTOR.value(deep))


def test_given_a_report_when_it_is_redacted_then_all_of_its_texts_are_clean_and_its_session_stays() -> None:
    token = CANARIES["slack bot"]
    report = AttemptReport(
        session="sess-1",
        branch=token,
        commit=token,
        snapshot=token,
        text=token,
        data={token: token},
        failure_code=token,
    )

    redacted = REDACTOR.report(report)

    assert token not in repr(redacted)
    assert (redacted.session, redacted.data) == ("sess-1", {MARK: MARK})
    assert REDACTOR.report(AttemptReport()).data is None


@given(st.text(), st.text(), st.sampled_from(sorted(CANARIES.values())))
def test_given_any_text_around_a_secret_when_it_is_redacted_then_the_secret_is_gone(
    before: str, after: str, canary: str
) -> None:
    assert canary not in REDACTOR.text(f"{before} {canary} {after}")


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "bearer " * 40_000,
        "authorization: " * 20_000,
        "-----BEGIN RSA PRIVATE KEY-----" * 9_000,
        "a://" * 70_000,
        "http://user:" + "p" * 300_000,
        "eyJ" * 100_000,
        "asw_operator_" * 20_000,
        ("x" * 199 + ":") * 1_500,
        " sk-" * 70_000,
        "-sk-" * 70_000,
        ".eyJ" * 70_000,
        " eyJ" + "a" * 300_000,
        "aws_secret_access_key=" * 12_000,
        KEY[:14] * 20_000,
        KEY * 9_000,
    ],
    ids=lambda text: text[:20],
)
@pytest.mark.timeout(60)
def test_given_a_text_made_to_be_slow_when_it_is_redacted_then_it_takes_no_longer_than_others(text: str) -> None:
    """The slowest takes 0.1 s; a pattern that looks back and back again takes hours, and the limit ends it."""
    assert KEY not in REDACTOR.text(f"{text} {KEY}")
