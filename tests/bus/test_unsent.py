"""The marks of what is not shared: there before lines are, gone only when all are shared."""

from pathlib import Path

import pytest

from agent_swarm.bus.nats.unsent import Unsent

KEY = ("0197a1c2-5b7e-7c3d-9e4f-0123456789ab", 2)


def opened(folder: Path) -> Unsent:
    unsent = Unsent(folder / "unsent")
    unsent.load()
    return unsent


def test_given_lines_that_are_being_written_then_a_later_process_knows_from_where_to_share(tmp_path: Path) -> None:
    unsent = opened(tmp_path)

    with unsent.growing(KEY, 7):
        assert Unsent(tmp_path / "unsent").load() == {KEY: 7}
    with unsent.growing(KEY, 9):
        pass

    assert Unsent(tmp_path / "unsent").load() == {KEY: 7}


def test_given_lines_that_are_shared_then_the_mark_is_gone(tmp_path: Path) -> None:
    unsent = opened(tmp_path)
    with unsent.growing(KEY, 7):
        pass

    assert unsent.settle(KEY, unsent.growth(KEY))

    assert unsent.first(KEY) is None
    assert Unsent(tmp_path / "unsent").load() == {}


def test_given_somebody_who_writes_when_what_was_seen_is_shared_then_the_mark_stays(tmp_path: Path) -> None:
    unsent = opened(tmp_path)
    with unsent.growing(KEY, 7):
        seen = unsent.growth(KEY)  # half of the lines may be there
        assert not unsent.settle(KEY, seen)
    assert not unsent.settle(KEY, seen)

    assert unsent.settle(KEY, unsent.growth(KEY))


def test_given_a_write_that_fails_then_the_mark_can_be_settled_afterwards(tmp_path: Path) -> None:
    unsent = opened(tmp_path)
    with pytest.raises(OSError, match="full"), unsent.growing(KEY, 0):
        raise OSError("the disk is full")

    assert unsent.settle(KEY, unsent.growth(KEY))


@pytest.mark.parametrize("name", ["x", "x.1", "x.y", "a.b.c"])
def test_given_a_mark_that_a_crash_cut_off_then_it_is_removed(tmp_path: Path, name: str) -> None:
    unsent = opened(tmp_path)
    (tmp_path / "unsent" / name).write_text("")

    assert unsent.load() == {}
    assert list((tmp_path / "unsent").iterdir()) == []
