"""Which accelerator works is found out by booting, and remembered."""

import json
import shutil
import time
from pathlib import Path

import pytest

from agent_swarm.vm.errors import EngineFailed, EngineMissing
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.qemu import probe, programs
from agent_swarm.vm.qemu.hosts import Accelerator, Architecture, Host, HostSystem, this_host

HOST = Host(HostSystem.LINUX, Architecture.X86_64)

# A QEMU that says with which accelerator it was called, and does what the test's file for that accelerator says.
FAKE = """#!/bin/sh
echo "$*" >> {folder}/calls
case "$*" in
  *-sandbox*) [ -e {folder}/no-sandbox ] && {{ echo '-sandbox: not supported' >&2; exit 1; }} ;;
esac
case "$*" in
  *"-accel kvm"*) . {folder}/kvm ;;
  *) . {folder}/tcg ;;
esac
"""


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    program = tmp_path / "qemu"
    program.write_text(FAKE.format(folder=tmp_path))
    program.chmod(0o755)
    (tmp_path / "kvm").write_text("exit 85\n")
    (tmp_path / "tcg").write_text("exit 85\n")
    return program


def calls(fake: Path) -> int:
    return len(fake.with_name("calls").read_text().splitlines())


@pytest.mark.slow
def test_given_this_machine_then_translation_boots_the_probe_guest(qemu: None) -> None:
    verdict = probe.boot(this_host(), Accelerator.TCG, programs.emulator(this_host()))
    assert verdict.works, verdict.detail
    assert verdict.is_confined


@pytest.mark.slow
def test_given_a_program_that_never_boots_it_then_it_does_not_count_after_the_limit(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "LIMIT_SECONDS", 0.3)
    fake.with_name("kvm").write_text("exec sleep 60\n")
    verdicts = probe.judge(Layout(fake.parent / "home"), HOST, fake)
    assert [(one.accelerator, one.works) for one in verdicts] == [(Accelerator.KVM, False), (Accelerator.TCG, True)]
    assert "was not done after" in verdicts[0].detail


def test_given_the_best_one_works_then_no_other_is_tried_and_the_verdict_is_kept(fake: Path) -> None:
    layout = Layout(fake.parent / "home")
    for _ in range(3):
        (verdict,) = probe.judge(layout, HOST, fake)
        assert (verdict.accelerator, verdict.works) == (Accelerator.KVM, True)
    assert calls(fake) == 1
    probe.judge(layout, HOST, fake, anew=True)
    assert calls(fake) == 2


def test_given_another_qemu_then_verdicts_on_the_old_one_do_not_count(fake: Path) -> None:
    layout = Layout(fake.parent / "home")
    probe.judge(layout, HOST, fake)
    fake.write_text(fake.read_text() + "# newer\n")
    probe.judge(layout, HOST, fake)
    assert calls(fake) == 2


def test_given_a_bad_verdict_then_it_is_doubted_after_a_day(fake: Path) -> None:
    layout = Layout(fake.parent / "home")
    fake.with_name("kvm").write_text("echo 'Could not access KVM kernel module: Permission denied' >&2; exit 1\n")
    first = probe.judge(layout, HOST, fake)
    assert "Permission denied" in first[0].detail
    probe.judge(layout, HOST, fake)
    assert calls(fake) == 2
    body = json.loads(layout.verdicts.read_text())
    for verdict in next(iter(body.values())):
        verdict["judged_at"] = time.time() - probe.BAD_VERDICT_SECONDS - 1
    layout.verdicts.write_text(json.dumps(body))
    probe.judge(layout, HOST, fake)
    assert calls(fake) == 3


def test_given_a_qemu_that_cannot_filter_its_calls_then_it_is_used_without(fake: Path) -> None:
    fake.with_name("no-sandbox").touch()
    (verdict,) = probe.judge(Layout(fake.parent / "home"), HOST, fake)
    assert verdict.works
    assert not verdict.is_confined


def test_given_torn_verdicts_then_they_are_made_anew(fake: Path) -> None:
    layout = Layout(fake.parent / "home")
    layout.root.mkdir()
    layout.verdicts.write_text('{"x": [')
    assert probe.judge(layout, HOST, fake)[0].works


def test_given_no_qemu_then_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineMissing, match="qemu-system-x86_64 is not installed") as missing:
        probe.engine(Layout(tmp_path), HOST)
    assert "apt install" in missing.value.hint


def test_given_nothing_boots_then_each_accelerators_reason_is_told(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kvm", "tcg"):
        fake.with_name(name).write_text(f"echo 'no {name} here' >&2; exit 1\n")
    folder = fake.with_name("bin")
    folder.mkdir()
    shutil.copy(fake, folder / "qemu-system-x86_64")
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    with pytest.raises(EngineFailed, match="kvm: no kvm here; tcg: no tcg here"):
        probe.engine(Layout(fake.parent / "home"), HOST)
