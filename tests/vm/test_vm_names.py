"""Names of VMs: what every file system and every guest takes, and nothing else."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_swarm.vm.errors import InvalidVmName, VmError
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.names import VmKind, VmRef, checked, checkpoint_name_of, project_ref, ref_of, task_ref


@pytest.mark.parametrize("name", ["a", "fix-login", "Fix_Login.2", "9", "x" * 63])
def test_given_a_name_of_letters_digits_and_marks_between_them_then_it_is_taken(name: str) -> None:
    assert task_ref(name).vm_id == f"agent-swarm-{name}"
    assert project_ref(name).vm_id == f"project-{name}"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "a b",
        "a:b",
        "-a",
        "a-",
        ".a",
        "a.",
        "é",
        "a'b",
        "a\n",
        "a\0b",
        "x" * 64,
        "x" * 300,
    ],
)
def test_given_any_other_name_then_it_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InvalidVmName, match="cannot be the name of a task") as refused:
        task_ref(name)
    assert "1 to 63 letters" in refused.value.hint
    assert len(refused.value.message) < 150


def test_given_names_that_differ_in_case_alone_then_they_are_the_same_vm() -> None:
    assert task_ref("Fix").folded == task_ref("fix").folded


def test_given_a_name_then_the_guest_bears_what_of_it_a_host_name_may_have() -> None:
    assert task_ref("Fix_Login.2").hostname == "fix-login-2"


def test_given_a_folder_then_the_vm_that_it_belongs_to_is_known() -> None:
    assert ref_of("project-shop") == VmRef(VmKind.PROJECT, "shop")
    assert ref_of("agent-swarm-project-x") == VmRef(VmKind.TASK, "project-x")
    assert ref_of("other") is None
    assert ref_of("project-") is None


def test_given_a_moment_then_a_checkpoint_of_it_has_a_name_that_is_one() -> None:
    name = checkpoint_name_of(datetime(2026, 2, 20, 17, 5, 9, 123456, UTC))
    assert name == "2026-02-20T17-05-09-123Z"
    assert checked("checkpoint", name) == name


def test_given_a_home_with_a_long_path_then_sockets_have_short_ones(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ("deep/" * 30))
    layout.prepare()
    folder = layout.socket_folder(task_ref("x" * 63))
    assert len(str(folder / "channel-15")) < 104
    assert folder.stat().st_mode & 0o077 == 0
    folder.rmdir()


def test_given_a_folder_for_sockets_that_others_may_look_into_then_it_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    layout.prepare()
    (layout.root / "run").mkdir(mode=0o755)
    (layout.root / "run").chmod(0o755)
    if len(str(layout.root)) < 60:
        with pytest.raises(VmError, match="not for this user alone"):
            layout.socket_folder(task_ref("one"))
