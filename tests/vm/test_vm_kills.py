"""A command is killed at every step of every operation; the next command finds everything whole, or nothing of it."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
from tests.vm.conftest import SMALL

from agent_swarm.vm import generations, images, layers, reconcile
from agent_swarm.vm.checkpoints import checkpoint, checkpoints_of, restore
from agent_swarm.vm.errors import EngineFailed, NoRoom
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.journal import Step
from agent_swarm.vm.machine import Egress, Machine
from agent_swarm.vm.names import VmRef, project_ref, task_ref
from agent_swarm.vm.processes import started_with
from agent_swarm.vm.projects import create_project, delete_project, seal
from agent_swarm.vm.qemu import image_tool
from agent_swarm.vm.registry import VmRow
from agent_swarm.vm.tasks import create_task, delete_task

pytestmark = pytest.mark.slow

UUID = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"
Work = Callable[[VmHost], object]


def killed_at(host: VmHost, step: Step, work: Work) -> None:
    """Do `work` in a process that is killed when it has reached `step`; it has to get there."""

    def die(reached: Step) -> None:
        if reached is step:
            os.kill(os.getpid(), signal.SIGKILL)

    process = get_context("fork").Process(target=work, args=(replace(host, reached=die),))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL, f"{step} was not reached: {process.exitcode}"


def known(host: VmHost, ref: VmRef, project: str = "shop") -> None:
    """A stopped VM with an empty layer on the base image, as if it had been made and stopped."""
    image = images.choose(host.layout, None)
    paths = host.paths(ref)
    paths.folder.mkdir()
    layers.put_on_top(paths, image.disk)
    Machine(
        vm_id=ref.vm_id, uuid=UUID, cpus=1, memory_mb=128, disk=paths.disk, boot=image.boot, egress=Egress.NONE
    ).write(paths.config)
    with host.registry() as registry:
        registry.add(VmRow(ref=ref, project=project, provider="kvm", origin="tiny", status="stopped", created_at=""))


def is_clean(host: VmHost) -> bool:
    """No operation is open, no half of a layer is left."""
    with host.registry() as registry:
        left = registry.unfinished()
    return not left and not list(host.layout.vms.glob("*/.*"))


@pytest.mark.parametrize(
    "step", [Step.BEGUN, Step.FOLDER_MADE, Step.LAYER_MADE, Step.STARTED, Step.GREETED, Step.RECORDED]
)
def test_given_a_kill_while_a_project_is_made_then_there_is_all_of_it_or_nothing(tiny_host: VmHost, step: Step) -> None:
    killed_at(tiny_host, step, lambda host: create_project(host, "shop", size=SMALL))
    config = tiny_host.paths(project_ref("shop")).config
    uuid = Machine.read(config).uuid if config.exists() else UUID
    rows = reconcile.projects(tiny_host)
    if step is Step.RECORDED:
        assert [row.status for row in rows] == ["running"]
        delete_project(tiny_host, "shop")
    assert reconcile.projects(tiny_host) == []
    assert started_with(uuid) == []
    assert list(tiny_host.layout.vms.iterdir()) == []
    assert is_clean(tiny_host)


@pytest.mark.parametrize("step", [Step.BEGUN, Step.LAYER_MADE, Step.STARTED])
def test_given_a_kill_while_a_clone_is_made_then_nothing_of_it_is_left_and_the_project_can_go(
    tiny_host: VmHost, step: Step
) -> None:
    known(tiny_host, project_ref("shop"))
    killed_at(tiny_host, step, lambda host: create_task(host, "shop", "fix"))
    assert reconcile.tasks(tiny_host) == []
    assert not tiny_host.paths(task_ref("fix")).folder.exists()
    delete_project(tiny_host, "shop")
    assert is_clean(tiny_host)


@pytest.mark.parametrize("step", [Step.BEGUN, Step.FILES_REMOVED, Step.RECORDED])
def test_given_a_kill_while_a_task_is_deleted_then_it_is_gone_all_the_same(tiny_host: VmHost, step: Step) -> None:
    known(tiny_host, project_ref("shop"))
    known(tiny_host, task_ref("fix"))
    killed_at(tiny_host, step, lambda host: delete_task(host, "fix"))
    assert reconcile.tasks(tiny_host) == []
    assert not tiny_host.paths(task_ref("fix")).folder.exists()
    assert is_clean(tiny_host)


def _seal(host: VmHost) -> None:
    with host.locked(project_ref("shop")) as registry:
        seal(host, registry, project_ref("shop"))


@pytest.mark.parametrize("step", [Step.BEGUN, Step.LAYER_MOVED, Step.LAYER_SEALED, Step.RECORDED])
def test_given_a_kill_while_a_generation_is_made_then_the_project_has_its_disk_and_clones_get_the_same(
    tiny_host: VmHost, step: Step
) -> None:
    shop = project_ref("shop")
    known(tiny_host, shop)
    before = image_tool.chain(tiny_host.paths(shop).disk)[1:]
    killed_at(tiny_host, step, _seal)
    _seal(tiny_host)
    (generation,) = generations.listed(tiny_host.paths(shop))
    assert generation.number == 1
    assert generations.verify(generation)
    chain = image_tool.chain(tiny_host.paths(shop).disk)
    assert chain == [tiny_host.paths(shop).disk, generation.disk, *before]
    assert is_clean(tiny_host)


@pytest.mark.parametrize("step", [Step.BEGUN, Step.LAYER_MOVED, Step.LAYER_SEALED, Step.RECORDED])
def test_given_a_kill_while_a_checkpoint_is_made_then_the_task_has_its_disk(tiny_host: VmHost, step: Step) -> None:
    known(tiny_host, task_ref("fix"))
    killed_at(tiny_host, step, lambda host: checkpoint(host, "fix", "one"))
    reconcile.tasks(tiny_host)
    names = [one.name for one in checkpoints_of(tiny_host, "fix")]
    assert names == ([] if step is Step.BEGUN else ["one"])
    assert len(image_tool.chain(tiny_host.paths(task_ref("fix")).disk)) == 2 + len(names)
    assert is_clean(tiny_host)


@pytest.mark.parametrize("step", [Step.BEGUN, Step.STOPPED, Step.LAYER_MADE, Step.RECORDED])
def test_given_a_kill_while_a_checkpoint_is_restored_then_it_can_be_restored_again(
    tiny_host: VmHost, step: Step
) -> None:
    known(tiny_host, task_ref("fix"))
    made = checkpoint(tiny_host, "fix", "one")
    killed_at(tiny_host, step, lambda host: restore(host, "fix"))
    reconcile.tasks(tiny_host)
    assert is_clean(tiny_host)
    assert restore(tiny_host, "fix") == made
    assert image_tool.chain(tiny_host.paths(task_ref("fix")).disk)[1] == made.layer


@pytest.mark.parametrize("error", [EngineFailed("no"), NoRoom("no"), KeyboardInterrupt()])
def test_given_a_start_that_fails_then_nothing_is_left_and_the_name_is_free(
    tiny_host: VmHost, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("agent_swarm.vm.running.power_on", fail)
        with pytest.raises(type(error)):
            create_project(tiny_host, "shop", size=SMALL)
    assert is_clean(tiny_host)
    assert not tiny_host.paths(project_ref("shop")).folder.exists()
    with tiny_host.registry() as registry:
        registry.require_absent(project_ref("shop"))
    assert Path(tiny_host.layout.root).exists()
