"""The contract of providers, on QEMU that translates."""

import uuid
from pathlib import Path

import pytest
from tests.vm.conftest import small_machine, translated

from agent_swarm.testing.vm_contract import VmProviderContract
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.images import BaseImage
from agent_swarm.vm.layers import put_on_top
from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.machine import Machine
from agent_swarm.vm.names import task_ref
from agent_swarm.vm.provider import QemuProvider, VmProvider

START = """
import sys, pathlib
from tests.vm.conftest import translated
from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.machine import Machine
from agent_swarm.vm.provider import QemuProvider
folder, sockets = map(pathlib.Path, sys.argv[1:])
paths = VmPaths(folder, folder, folder)
QemuProvider(translated()).start(Machine.read(paths.config), paths, sockets)
"""


@pytest.mark.slow
class TestQemuProvider(VmProviderContract):
    @pytest.fixture
    def provider(self, qemu: None) -> VmProvider:
        return QemuProvider(translated())

    @pytest.fixture
    def vm_paths(self, tiny_host: VmHost, tiny_image: BaseImage) -> VmPaths:
        paths = tiny_host.paths(task_ref("one"))
        paths.folder.mkdir()
        put_on_top(paths, tiny_image.disk)
        return paths

    @pytest.fixture
    def machine(self, vm_paths: VmPaths, tiny_image: BaseImage) -> Machine:
        machine = small_machine("agent-swarm-one", str(uuid.uuid4()), vm_paths.disk, tiny_image)
        machine.write(vm_paths.config)
        return machine

    @pytest.fixture
    def sockets(self, tiny_host: VmHost) -> Path:
        return tiny_host.layout.socket_folder(task_ref("one"))

    @staticmethod
    def starting() -> str:
        return START
