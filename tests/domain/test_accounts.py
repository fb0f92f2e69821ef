"""What the files of agent CLIs say, what is kept of that, and when it is refreshed."""

import base64
import json
from typing import Any

import pytest

from agent_swarm.domain import accounts
from agent_swarm.domain.accounts import Account, AccountKind
from agent_swarm.domain.errors import InvalidInput

NOW = 1_700_000_000.0
CLAUDE = {"accessToken": "sk-ant-oat01-a", "refreshToken": "sk-ant-ort01-r", "expiresAt": (NOW + 7200) * 1000}


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{body}.sig"


def claude(**changes: Any) -> Account:
    return accounts.from_file(AccountKind.CLAUDE, "main", json.dumps({"claudeAiOauth": {**CLAUDE, **changes}}))


def test_given_the_file_of_claude_code_when_it_is_read_then_both_tokens_and_the_end_are_known() -> None:
    found = claude()
    assert (found.access_token, found.refresh_token, found.expires_at) == (
        "sk-ant-oat01-a",
        "sk-ant-ort01-r",
        NOW + 7200,
    )
    assert (found.key, found.credential) == ("account.claude.main", "sk-ant-oat01-a")
    assert accounts.from_text(found.to_text()) == found
    assert "sk-ant" not in repr(found)


def test_given_the_file_of_codex_when_it_is_read_then_its_token_says_when_it_ends() -> None:
    token = jwt(exp=NOW + 600)
    tokens = {"id_token": "i", "access_token": token, "refresh_token": "r", "account_id": "acc-1"}
    found = accounts.from_file(
        AccountKind.CODEX, "team-2", json.dumps({"OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "x"})
    )
    assert (found.expires_at, found.credential, found.key) == (NOW + 600, f"acc-1:{token}", "account.codex.team-2")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (AccountKind.CLAUDE, "no json"),
        (AccountKind.CLAUDE, "[]"),
        (AccountKind.CLAUDE, '{"claudeAiOauth": "text"}'),
        (AccountKind.CLAUDE, '{"claudeAiOauth": {"accessToken": ""}}'),
        (AccountKind.CLAUDE, '{"claudeAiOauth": {"accessToken": "two,tokens"}}'),
        (AccountKind.CLAUDE, '{"claudeAiOauth": {"accessToken": "a\\nb"}}'),
        (AccountKind.CODEX, '{"OPENAI_API_KEY": "sk-1", "tokens": null}'),
        (AccountKind.CODEX, '{"tokens": {"access_token": "secret-a", "refresh_token": "r"}}'),
    ],
)
def test_given_another_file_when_it_is_read_then_it_is_refused_without_a_word_of_what_is_in_it(
    kind: AccountKind, text: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        accounts.from_file(kind, "main", text)
    assert "secret-a" not in f"{refused.value.message} {refused.value.hint} {refused.value.details}"


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "-a", "a" * 41])
def test_given_a_name_that_is_none_when_an_account_is_imported_then_it_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        accounts.from_file(AccountKind.CLAUDE, name, json.dumps({"claudeAiOauth": CLAUDE}))


def test_given_a_token_that_runs_out_when_it_is_looked_at_then_it_is_due_once_and_usable_to_its_end() -> None:
    found = claude()
    assert not found.is_due(NOW)
    assert found.is_due(NOW + 3601)
    under_way = Account(**{**json.loads(found.to_text()), "kind": AccountKind.CLAUDE, "refreshing_since": NOW + 3601})
    assert not under_way.is_due(NOW + 3601 + 119)
    assert under_way.is_due(NOW + 3601 + 120), "whoever began it has ended"
    assert not claude(refreshToken="").is_due(NOW + 7300)
    assert (found.is_usable(NOW + 7199), found.is_usable(NOW + 7200)) == (True, False)
    assert claude(expiresAt=None).is_usable(NOW * 2)


def test_given_an_answer_of_the_provider_when_it_is_taken_in_then_a_refresh_token_that_is_not_told_stays() -> None:
    fresh = claude().refreshed({"access_token": "b", "expires_in": 60}, now=NOW)
    assert (fresh.access_token, fresh.refresh_token, fresh.expires_at, fresh.refreshed_at) == (
        "b",
        "sk-ant-ort01-r",
        NOW + 60,
        NOW,
    )
    assert claude().refreshed({"access_token": jwt(exp=NOW + 5), "refresh_token": "s"}, now=NOW).expires_at == NOW + 5
    for told in ({}, {"access_token": None}, {"access_token": "a b"}):
        with pytest.raises(ValueError):
            claude().refreshed(told, now=NOW)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind": "other"}', '{"kind": "claude", "wrong": 1}'])
def test_given_an_entry_that_is_no_account_when_it_is_opened_then_that_is_said(text: str) -> None:
    with pytest.raises(ValueError):
        accounts.from_text(text)
