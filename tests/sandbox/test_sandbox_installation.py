"""What has to be readable so that programs of a home start."""

import os
from pathlib import Path

import pytest

from agent_swarm.sandbox.installation import of_path, of_program


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "user" / "deep").mkdir(parents=True)
    return tmp_path / "user" / "deep"


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def link(path: Path, to: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)
    return path


def found(home: Path, *folders: Path) -> set[str]:
    return set(of_path(os.pathsep.join(map(str, folders)), home=str(home)))


def test_given_an_npm_prefix_in_a_home_when_its_bin_is_in_path_then_its_packages_are_readable(home: Path) -> None:
    real = program(home / ".npm" / "lib" / "node_modules" / "@org" / "cli" / "cli.js")
    called = link(home / ".npm" / "bin" / "cli", real)
    assert found(home, called.parent) == {str(called.parent), str(called), str(home / ".npm/lib/node_modules")}


def test_given_a_program_in_an_environment_of_its_own_when_path_links_to_it_then_that_and_its_python_are_readable(
    home: Path,
) -> None:
    python = program(home / "pythons" / "3.12" / "bin" / "python3.12")
    (home / "pythons" / "3.12" / "lib").mkdir()
    venv = home / ".local" / "share" / "tools" / "lint"
    real = program(venv / "bin" / "lint")
    (venv / "lib").mkdir()
    (venv / "pyvenv.cfg").touch()
    link(venv / "bin" / "python", python)
    called = link(home / ".local" / "bin" / "lint", real)
    assert {str(venv), str(venv / "bin" / "python"), str(home / "pythons" / "3.12")} <= found(home, called.parent)


def test_given_a_single_program_behind_a_link_when_it_is_found_then_it_alone_is_readable_and_not_what_is_around(
    home: Path,
) -> None:
    real = program(home / "Documents" / "project" / "tool.sh")
    (real.parent / ".env").touch()
    called = link(home / "bin" / "tool", real)
    assert found(home, called.parent) == {str(called.parent), str(called)}


def test_given_the_prefix_that_holds_much_else_when_a_program_of_it_is_found_then_the_prefix_is_not_readable(
    home: Path,
) -> None:
    real = program(home / ".local" / "bin" / "tool")
    (home / ".local" / "lib").mkdir()
    assert list(of_program("tool", str(real.parent), home=str(home))) == [str(real)]


def test_given_a_version_manager_when_its_shims_are_in_path_then_its_versions_are_readable(home: Path) -> None:
    shim = program(home / ".pyenv" / "shims" / "python")
    assert found(home, shim.parent) == {str(shim.parent), str(home / ".pyenv")}


def test_given_a_path_with_the_home_itself_or_something_wider_when_it_is_looked_at_then_that_is_left_out(
    home: Path,
) -> None:
    assert found(home, home, home.parent, Path("/"), Path("/opt"), Path("relative"), Path()) == set()


def test_given_a_program_that_does_not_exist_when_it_is_looked_for_then_nothing_is_readable(home: Path) -> None:
    assert list(of_program("no-such-agent", os.defpath, home=str(home))) == []
