"""Repositories by path or URL."""

import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.cli.recorded_server import RecordedServer, answer

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.repo import is_url, name_from, repository_at

PROJECT = {"id": "x", "name": "shop", "repoUrl": "/src/shop", "defaultBranch": "", "createdAt": "2026-11-20T18:00:00Z"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "My shop"
    subprocess.run(["git", "init", "--quiet", path], check=True)
    (path / "inner").mkdir()
    return path


@pytest.mark.parametrize(
    "text",
    ["https://example.com/shop.git", "ssh://git@example.com:22/x", "git@example.com:team/shop.git", "file:///src"],
)
def test_given_an_address_then_it_is_not_taken_for_a_path(text: str) -> None:
    assert is_url(text) is text.startswith(("https", "ssh", "git@"))


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://example.com/team/shop.git", "shop"),
        ("git@example.com:shop.git", "shop"),
        ("/src/My shop/", "My-shop"),
        ("/src/.dotfiles", "dotfiles"),
    ],
)
def test_given_an_address_then_its_last_part_becomes_the_name(address: str, name: str) -> None:
    assert name_from(address) == name


def test_given_nothing_to_make_a_name_from_then_it_asks_for_one() -> None:
    with pytest.raises(CommandFailed, match="no name") as refused:
        name_from("https://example.com/???")
    assert "--name" in refused.value.hint


def test_given_a_folder_inside_a_repository_then_its_root_is_added(
    repository: Path, run: Run, recorded_server: RecordedServer
) -> None:
    recorded_server.will(answer(PROJECT, 201))
    ended = run("repo", "add", ".", "--branch", "main", "--url", recorded_server.url, cwd=repository / "inner")
    assert ended.code == 0, ended.err
    assert recorded_server.requests[0].json() == {
        "name": "My-shop",
        "repoUrl": str(repository),
        "defaultBranch": "main",
    }


def test_given_a_bare_repository_then_it_is_its_own_root(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "shop.git"], check=True)
    assert repository_at(tmp_path / "shop.git") == tmp_path / "shop.git"


def test_given_a_folder_without_a_repository_then_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="is not a git repository"):
        repository_at(tmp_path)
    with pytest.raises(CommandFailed, match="is not a directory"):
        repository_at(tmp_path / "nowhere")
