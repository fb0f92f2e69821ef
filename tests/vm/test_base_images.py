"""Base images: taken in whole or not at all, never changed, and checked."""

import hashlib
import re
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from agent_swarm.vm import images
from agent_swarm.vm.errors import InvalidImage, InvalidVmName, NoBaseImage, NoRoom, VmExists
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.qemu import image_tool

Full = namedtuple("Full", "total used free")

pytestmark = pytest.mark.usefixtures("qemu")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "home")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A disk that begins as one with a boot sector does."""
    path = tmp_path / "tools.img"
    path.write_bytes(b"\xeb\x63\x90\0".ljust(4 << 20, b"\0"))
    return path


def left_in(layout: Layout) -> list[str]:
    return [path.name for path in layout.base_images.glob("*")] if layout.base_images.exists() else []


def test_given_a_raw_disk_then_it_becomes_a_sealed_layer_that_is_found_again(layout: Layout, raw: Path) -> None:
    image = images.take_in(layout, raw)
    assert image.name == "tools"
    assert image.boot is None
    assert image.disk.stat().st_mode & 0o777 == 0o444
    assert image_tool.inspect(image.disk).virtual_bytes == 4 << 20
    images.verify(image)
    assert images.choose(layout, None) == images.choose(layout, "tools") == image


def test_given_a_folder_with_a_kernel_then_it_is_started_directly(layout: Layout, raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "debian-12"
    folder.mkdir()
    shutil.copy(raw, folder / "disk.raw")
    (folder / "vmlinuz").write_bytes(b"kernel")
    (folder / "initrd.img").write_bytes(b"initrd")
    (folder / "kernel-command-line").write_text("root=/dev/vda1\n")
    boot = images.take_in(layout, folder).boot
    assert boot is not None
    assert boot.kernel.read_bytes() == b"kernel"
    assert boot.command_line == "root=/dev/vda1"
    (folder / "initrd.img").unlink()
    with pytest.raises(InvalidImage, match="holds vmlinuz alone"):
        images.take_in(layout, folder, name="half")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><title>404 Not Found</title>", "error page"),
        (b'{"message": "Not Found"}', "error page"),
        (b"Service Unavailable\n", "error page"),
        (b"", "error page|is empty"),
        (b"QFI\xfb" + bytes(100), "no disk image"),
    ],
)
def test_given_what_is_no_image_then_it_is_refused_and_nothing_is_left(
    layout: Layout, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "ubuntu.img"
    path.write_bytes(content)
    with pytest.raises(InvalidImage) as refused:
        images.take_in(layout, path)
    assert re.search(said, f"{refused.value.message} {refused.value.hint}")
    assert left_in(layout) == []


def test_given_another_checksum_then_it_is_refused_with_both(layout: Layout, raw: Path) -> None:
    actual = hashlib.sha256(raw.read_bytes()).hexdigest()
    with pytest.raises(InvalidImage, match=f"is {actual}, expected {'0' * 64}"):
        images.take_in(layout, raw, sha256="0" * 64)
    assert left_in(layout) == []
    assert images.take_in(layout, raw, sha256=actual.upper()).name == "tools"


def test_given_an_image_on_top_of_another_one_then_it_is_refused(layout: Layout, raw: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.qcow2"
    image_tool.convert(raw, base, source_format="raw")
    image_tool.make_overlay(tmp_path / "top.qcow2", backing=base)
    with pytest.raises(InvalidImage, match="lies on another image"):
        images.take_in(layout, tmp_path / "top.qcow2")


def test_given_a_name_that_is_taken_or_is_none_then_it_is_refused(layout: Layout, raw: Path) -> None:
    images.take_in(layout, raw)
    with pytest.raises(VmExists):
        images.take_in(layout, raw)
    with pytest.raises(InvalidVmName):
        images.take_in(layout, raw, name="../tools")


def test_given_no_image_then_it_is_said_how_to_make_one(layout: Layout, raw: Path) -> None:
    with pytest.raises(NoBaseImage) as missing:
        images.choose(layout, None)
    assert "agent-swarm init-base" in missing.value.hint
    images.take_in(layout, raw)
    with pytest.raises(NoBaseImage) as missing:
        images.choose(layout, "ubuntu")
    assert missing.value.hint == "there are: tools"


def test_given_an_image_that_was_changed_then_it_is_not_used(layout: Layout, raw: Path) -> None:
    image = images.take_in(layout, raw)
    image.disk.chmod(0o644)
    with image.disk.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    with pytest.raises(InvalidImage, match="has changed"):
        images.verify(image)


def test_given_a_full_disk_then_it_is_said_before_anything_is_copied(
    layout: Layout, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Full(100, 100, 0))
    with pytest.raises(NoRoom, match="0 MiB left, 4 MiB are needed"):
        images.take_in(layout, raw)
    assert left_in(layout) == []


def test_given_a_layer_on_top_then_its_chain_leads_to_the_sealed_image(
    layout: Layout, raw: Path, tmp_path: Path
) -> None:
    image = images.take_in(layout, raw)
    image_tool.make_overlay(tmp_path / "top.qcow2", backing=image.disk)
    assert image_tool.chain(tmp_path / "top.qcow2") == [tmp_path / "top.qcow2", image.disk]
    image_tool.check(tmp_path / "top.qcow2")
