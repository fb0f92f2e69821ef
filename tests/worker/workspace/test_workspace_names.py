"""Addresses, names and ids: what is let through, and what they become."""

from uuid import uuid4

import pytest

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.worker.workspace import DependencyResult, PreviousAttempt, Project
from agent_swarm.worker.workspace.bare import render_config
from agent_swarm.worker.workspace.names import valid_branch
from agent_swarm.worker.workspace.urls import Remote, redact


@pytest.mark.parametrize(
    ("url", "clean", "username", "password"),
    [
        ("https://host/a/b.git", "https://host/a/b.git", None, None),
        ("https://u:s3cret@host:8443/a.git", "https://host:8443/a.git", "u", "s3cret"),
        ("https://u%40x:p%2F@host/a.git", "https://host/a.git", "u@x", "p/"),
        ("https://token@host/a.git", "https://host/a.git", "token", ""),
        ("ssh://git@host/a.git", "ssh://git@host/a.git", None, None),
        ("ssh://git:pass@host:22/a.git", "ssh://git@host:22/a.git", None, None),
        ("git@host:a/b.git", "git@host:a/b.git", None, None),
        ("git://host/a.git", "git://host/a.git", None, None),
        ("/srv/a b.git", "/srv/a b.git", None, None),
        ("file:///srv/a%20b.git", "file:///srv/a%20b.git", None, None),
    ],
)
def test_given_an_address_when_it_is_taken_apart_then_the_credentials_are_not_in_its_url(
    url: str, clean: str, username: str | None, password: str | None
) -> None:
    remote = Remote.parse(url)
    assert (remote.url, remote.username, remote.password) == (clean, username, password)
    assert all(secret not in repr(remote) for secret in remote.secrets)


def test_given_a_project_when_it_is_printed_then_its_credentials_are_not() -> None:
    assert "s3cret" not in repr(Project(id=str(uuid4()), url="https://u:s3cret@host/x"))


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("see https://u:p@host/x", "see https://***@host/x"),
        ("see https://token@host/x", "see https://***@host/x"),
        ("see 'https://u:p@ss@host/x'", "see 'https://***@host/x'"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("ssh://git:p@host/x", "ssh://***@host/x"),
        ("git@host:x and mail a@b.c", "git@host:x and mail a@b.c"),
        ("https://host/path@v1", "https://host/path@v1"),
    ],
)
def test_given_a_message_when_it_is_redacted_then_no_credential_of_a_url_is_left(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "name", ["main", "feature/x", "v1.2", "a-b_c", "ünïcode", "swarm/0198b2a4-0000-7000-8000-000000000001/1"]
)
def test_given_a_branch_name_when_it_is_checked_then_it_is_let_through(name: str) -> None:
    assert valid_branch(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-x", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a\nb", "a\0b", "/a", "a/", "a//b", ".a",
     "a/.b", "a.lock", "a.lock/b", "a.", "@", "HEAD", "a@{1}", "refs/heads/a"],
)  # fmt: skip
def test_given_what_is_no_branch_name_when_it_is_checked_then_it_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a branch name"):
        valid_branch(name)


def test_given_ids_and_commits_that_are_none_when_values_are_made_then_they_are_refused() -> None:
    task, commit = str(uuid4()), "1" * 40
    with pytest.raises(InvalidInput, match="project id"):
        Project(id="../x", url="/x")
    with pytest.raises(InvalidInput, match="task id"):
        DependencyResult(task_id="x", title="", branch="b", commit=commit)
    with pytest.raises(InvalidInput, match="is not a branch name"):
        DependencyResult(task_id=task, title="", branch="--x", commit=commit)
    with pytest.raises(InvalidInput, match="is not a full commit id"):
        DependencyResult(task_id=task, title="", branch="b", commit="main")
    with pytest.raises(InvalidInput, match="is not a full commit id"):
        PreviousAttempt(attempt=1, commit="-x")
    with pytest.raises(InvalidInput, match="expected 1 or more"):
        PreviousAttempt(attempt=0)


def test_given_hostile_values_when_a_configuration_is_rendered_then_none_becomes_a_setting() -> None:
    text = render_config({"user.name": 'a"\n[core]\n\thooksPath = /x # \\', 'remote.a"]b.url': "/x;y"})
    assert text == '[user]\n\tname = "a\\"\\n[core]\\n\\thooksPath = /x # \\\\"\n[remote "a\\"]b"]\n\turl = "/x;y"\n'
