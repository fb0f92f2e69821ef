"""What a run is shown: places, links and what lies on top, as bubblewrap's arguments."""

from pathlib import Path

import pytest

from agent_swarm.sandbox.links import trail
from agent_swarm.sandbox.view import View


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("real/tools", "user/.config", "run/inner"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    return tmp_path


def shown(view: View) -> list[list[str]]:
    """The arguments, one list per option."""
    found: list[list[str]] = []
    for argument in view.arguments():
        if argument.startswith("--"):
            found.append([argument])
        else:
            found[-1].append(argument)
    return found


def test_given_a_path_over_a_link_when_it_is_followed_then_the_link_and_the_end_are_told(root: Path) -> None:
    way = trail(f"{root}/link/tools/../tools/tool")
    assert way.links == ((f"{root}/link", "real"),)
    assert way.end == f"{root}/real/tools/tool"


def test_given_links_in_a_circle_when_they_are_followed_then_it_is_an_error(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        trail(f"{root}/a")


def test_given_a_readable_link_when_it_is_shown_then_the_link_is_there_and_leads_to_what_is_shown(root: Path) -> None:
    view = View()
    view.read(f"{root}/link/tools")
    assert shown(view) == [["--symlink", "real", f"{root}/link"], ["--ro-bind", *2 * [f"{root}/real/tools"]]]


def test_given_a_folder_that_is_shown_when_something_in_it_is_added_then_it_is_shown_once(root: Path) -> None:
    view = View()
    view.read(f"{root}/real/tools")
    view.read(f"{root}/link")
    view.read(str(root))
    view.read(f"{root}/link/tools")
    assert shown(view) == [["--ro-bind", str(root), str(root)]]


def test_given_a_readable_folder_with_a_writable_one_in_it_when_both_are_shown_then_the_inner_one_is_on_top(
    root: Path,
) -> None:
    view = View()
    view.write(f"{root}/run/inner")
    view.read(f"{root}/run")
    view.read(f"{root}/run/inner/x")
    assert shown(view) == [["--ro-bind", *2 * [f"{root}/run"]], ["--bind", *2 * [f"{root}/run/inner"]]]


def test_given_a_link_below_a_writable_folder_when_it_is_declared_then_it_is_not_followed(root: Path) -> None:
    (root / "run" / "out").symlink_to(root / "user")
    view = View()
    view.write(f"{root}/run")
    view.read(f"{root}/run/out")
    view.write(f"{root}/run/out")
    view.empty(f"{root}/run/out")
    assert shown(view) == [["--bind", *2 * [f"{root}/run"]]]


def test_given_a_home_with_something_readable_in_it_when_it_is_emptied_then_that_is_on_top(root: Path) -> None:
    view = View()
    view.read(f"{root}/user/.config")
    view.empty(f"{root}/user")
    assert shown(view) == [["--tmpfs", f"{root}/user"], ["--ro-bind", *2 * [f"{root}/user/.config"]]]


def test_given_a_folder_that_is_shown_when_it_should_be_empty_then_it_stays_as_it_is(root: Path) -> None:
    view = View()
    view.read(str(root))
    view.empty(f"{root}/user")
    view.empty("/")
    assert shown(view) == [["--ro-bind", str(root), str(root)]]


def test_given_something_that_is_not_there_when_it_is_to_be_read_then_it_is_left_out(root: Path) -> None:
    view = View()
    view.read(f"{root}/missing")
    assert view.arguments() == []
