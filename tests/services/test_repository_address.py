"""Which addresses of repositories are taken: nothing that runs a command, reads an option or carries a secret."""

from pathlib import Path

import pytest

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.services.projects import repository_address


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/owner/repo.git",
        "https://git.example.com:8443/owner/repo",
        "ssh://git@github.com/owner/repo.git",
        "ssh://git.example.com:2222/~/repo",
        "git://example.com/repo",
        "file:///srv/git/repo.git",
        "git@github.com:owner/repo.git",
        "example.com:repo",
    ],
)
def test_given_a_plain_address_when_it_is_checked_then_it_stays_as_it_is(address: str) -> None:
    assert repository_address(f" {address} ") == address


@pytest.mark.parametrize(
    "address",
    [
        "https://ghp_0123456789@github.com/owner/repo",
        "https://ada:hunter2@github.com/owner/repo",
        "https://@github.com/owner/repo",
        "ssh://ada:hunter2@example.com/repo",
        "git://ada@example.com/repo",
        "https://example.com/repo?access_token=hunter2",
        "https://example.com/repo#hunter2",
    ],
)
def test_given_credentials_in_an_address_when_it_is_checked_then_it_is_refused_and_they_are_not_repeated(
    address: str,
) -> None:
    with pytest.raises(InvalidInput, match="carries credentials") as refused:
        repository_address(address)

    assert "hunter2" not in refused.value.message
    assert "ghp_" not in refused.value.message


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/repo",
        "ext::sh -c touch% /tmp/x",
        "ftp://example.com/repo",
        "https://",
        "https:///repo",
        "https://example.com",
        "https://example.com/",
        "https://example.com:99999/repo",
        "https://[::1/repo",
        "ssh://-oProxyCommand=evil/repo",
        "ssh://-oProxyCommand@example.com/repo",
        "-oProxyCommand=evil:repo",
        "git@example.com:-x",
        "--upload-pack=evil",
        "file://server/repo",
        "file://relative",
        "/no/such/directory",
        "no such directory",
        "https://example.com/a b",
        "https://example.com/a\nb",
        "example.com::x",
        ":",
        "",
    ],
)
def test_given_what_is_no_address_when_it_is_checked_then_it_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput):
        repository_address(address)


def test_given_a_directory_when_it_is_checked_then_it_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a repo").mkdir()
    (tmp_path / "link").symlink_to("a repo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    for written in ("a repo", "./a repo/", "link", "~/a repo", str(tmp_path / "a repo")):
        assert repository_address(written) == str(tmp_path / "a repo")
