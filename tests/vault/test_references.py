"""Secret references: what a stored value may say, and which of them a server follows."""

import pytest

from agent_swarm.vault.backends.errors import InvalidReference, SecretDenied
from agent_swarm.vault.backends.references import Allowed, Reference, parse, reference_in

GOOD = (
    "env://GITHUB_TOKEN",
    "file:///run/secrets/token",
    "file:///etc/swarm/secrets.json#github",
    "keyring://swarm/github",
    "keyring://https://git.example/swarm",
    "vault://secret/data/github#token",
    "vault://team/kv/data/a/b?version=3#token",
    "gcp-sm://my-project/github-token",
    "gcp-sm://my-project/github-token/7#token",
    "aws-sm://prod/github#token",
    "aws-sm://arn:aws:secretsmanager:eu-central-1:1:secret:prod/github-AbCdEf?version=AWSPREVIOUS",
)
BAD = (
    "",
    "vault",
    "https://vault.example/v1/secret/data/github",
    "env://",
    "env://NAME#part",
    "env://NA-ME",
    "file://run/secrets/token",
    "file:///run/../etc/shadow",
    "file:///run//token",
    "file:///run/secrets/",
    "keyring://service",
    "vault://secret/github#token",
    "vault://secret/data/../../sys/raw#token",
    "vault://secret/data/github?version=0#token",
    "vault://secret/data/github?list=true#token",
    "vault://secret/data/git%2Fhub#token",
    "vault://secret/data/github#",
    "gcp-sm://my-project",
    "gcp-sm://my-project/name/1/2",
    "aws-sm://name with spaces",
    "aws-sm://" + "a" * 1_024,
)


@pytest.mark.parametrize("text", GOOD)
def test_given_a_reference_when_it_is_read_then_it_says_the_same_again(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize("text", BAD)
def test_given_something_else_after_the_prefix_when_it_is_read_then_it_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        reference_in(f"ref:{text}")


def test_given_a_secret_typed_after_the_prefix_when_it_is_refused_then_the_refusal_does_not_repeat_it() -> None:
    for text in ("ref:ghp_verysecret", "ref:env://ghp-verysecret", "ref:vault://secret/data/x#\x1bverysecret"):
        with pytest.raises(InvalidReference) as refused:
            reference_in(text)
        assert "verysecret" not in refused.value.message + refused.value.hint


def test_given_a_value_without_the_prefix_when_it_is_read_then_it_is_the_secret_itself() -> None:
    assert reference_in("vault://secret/data/github#token") is None
    assert reference_in(" ref:env://NAME\n") == Reference(scheme="env", path="NAME")


def test_given_no_pattern_when_a_reference_is_followed_then_it_is_denied_and_the_setting_is_named() -> None:
    with pytest.raises(SecretDenied, match="AGENT_SWARM_SECRET_REFERENCES is not set"):
        Allowed().require(parse("env://HOME"))


def test_given_patterns_when_references_are_followed_then_only_what_matches_is_allowed() -> None:
    allowed = Allowed(("vault://secret/data/swarm/*", "env://GITHUB_*"))
    allowed.require(parse("vault://secret/data/swarm/github#token"))
    allowed.require(parse("env://GITHUB_TOKEN"))
    for text in ("vault://secret/data/finance#token", "env://HOME", "file:///env/GITHUB_TOKEN"):
        with pytest.raises(SecretDenied, match="matches none of"):
            allowed.require(parse(text))
