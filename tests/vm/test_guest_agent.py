"""The agent, in a guest that runs: what it starts, what it passes on, what it does when the host goes away."""

import hashlib
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.vm.conftest import small_machine, translated

from agent_swarm.testing.vm_contract import said_by
from agent_swarm.vm import images
from agent_swarm.vm.errors import GuestRefused
from agent_swarm.vm.guest.client import Channel, GuestExit
from agent_swarm.vm.guest.frames import (
    NONCE_BYTES,
    SYNC_MAGIC,
    Command,
    Ending,
    FrameType,
    Identity,
    WindowSize,
    after_hello,
)
from agent_swarm.vm.layers import put_on_top
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.names import task_ref
from agent_swarm.vm.qemu import lifecycle
from agent_swarm.vm.qemu.lifecycle import RunningVm

pytestmark = pytest.mark.slow

BOOT_SECONDS = 120.0
SOON = 20.0


@pytest.fixture(scope="module")
def guest(tiny_layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVm]:
    """A tiny guest that has booted; all tests of this file share it."""
    layout = Layout(tmp_path_factory.mktemp("guest"))
    layout.prepare()
    image = images.choose(tiny_layout, "tiny")
    paths = layout.of(task_ref("one"))
    paths.folder.mkdir()
    put_on_top(paths, image.disk)
    machine = small_machine("agent-swarm-one", str(uuid.uuid4()), paths.disk, image)
    running = lifecycle.start(translated(), machine, paths, layout.socket_folder(task_ref("one")))
    try:
        said_by(running, "true")
        yield running
    finally:
        lifecycle.end(machine, paths)


def opened(guest: RunningVm, number: int = 0) -> Channel:
    return Channel.open(guest.endpoints.channels[number], timeout=BOOT_SECONDS)


def run(guest: RunningVm, *argv: str, stdin: bytes = b"", **more: object) -> tuple[GuestExit, bytes, bytes]:
    """How a command ended, and what it said."""
    out, err = bytearray(), bytearray()
    command = Command(argv=argv, **{"env": {}, **more})  # type: ignore[arg-type]
    with opened(guest) as channel:
        ended = channel.run(command, stdin=[stdin] if stdin else [], stdout=out.extend, stderr=err.extend)
    return ended, bytes(out), bytes(err)


def test_given_arguments_with_quotes_blanks_and_lines_then_the_command_gets_them_as_they_are(guest: RunningVm) -> None:
    arguments = ['fix the "login" bug', "$HOME `id`", "", "a\nb", "ünï", "--print"]
    _, out, _ = run(guest, "sh", "-c", 'printf "<%s>" "$@"', "sh", *arguments)
    assert out.decode() == "".join(f"<{argument}>" for argument in arguments)


def test_given_a_user_a_folder_and_variables_then_the_command_has_them(guest: RunningVm) -> None:
    ended, out, _ = run(
        guest, "sh", "-c", 'id -un; id -Gn; pwd; echo "$HOME $KEY"', user="worker", cwd="/tmp", env={"KEY": "a b'c"}
    )
    assert ended == GuestExit(Ending.EXITED, 0)
    assert out.decode().splitlines() == ["worker", "worker adm", "/tmp", "/home/worker a b'c"]


def test_given_a_terminal_then_the_command_has_one_of_that_size_of_its_own_and_sees_it_change(guest: RunningVm) -> None:
    out = bytearray()
    command = Command(
        argv=["sh", "-c", "tty; stty size; test -t 2 && echo asked; read a; stty size; echo got $a; cat; exit 4"],
        env={"TERM": "xterm"},
        user="worker",
        terminal=WindowSize(33, 77),
    )
    asked = threading.Event()

    def hear(data: bytes) -> None:
        out.extend(data)
        if b"asked\r\n" in out:
            asked.set()

    with opened(guest) as channel:

        def typed() -> Iterator[bytes]:
            asked.wait(SOON)
            channel.resize(WindowSize(10, 20))
            yield b"an answer\n"
            yield b"last words\n"

        ended = channel.run(command, stdin=typed(), stdout=hear, stderr=hear)
    said = out.decode().replace("\r", "")
    lines = said.splitlines()
    assert lines[0].startswith("/dev/pts/")
    assert lines[1:3] == ["33 77", "asked"]
    assert "10 20" in said  # what is typed stands in between, wherever it came
    assert "got an answer" in said
    assert said.count("last words") == 2  # typed, and said by cat
    assert ended.code == 4


def test_given_a_terminal_when_ctrl_c_is_typed_then_the_command_is_interrupted_and_when_the_host_goes_it_ends(
    guest: RunningVm,
) -> None:
    out = bytearray()
    up = threading.Event()

    def hear(data: bytes) -> None:
        out.extend(data)
        if b"up" in out:
            up.set()

    def typed() -> Iterator[bytes]:
        up.wait(SOON)
        yield b"\x03"
        up.wait()

    command = Command(argv=["sh", "-c", "echo up; exec sleep 1234"], env={}, terminal=WindowSize(24, 80))
    with opened(guest) as channel:
        assert channel.run(command, stdin=typed(), stdout=hear, stderr=hear).code == 130
    up.clear()
    out.clear()
    with opened(guest) as channel:
        channel._send(FrameType.EXECUTE, command.to_bytes())
        while b"up" not in out:
            out.extend(channel._receive().payload)
    give_up_at = time.monotonic() + SOON
    while b"sleep 1234" in run(guest, "ps")[1]:
        assert time.monotonic() < give_up_at


def test_given_no_folder_then_the_command_is_at_home(guest: RunningVm) -> None:
    assert run(guest, "pwd", user="worker")[1] == b"/home/worker\n"


def test_given_output_and_errors_then_they_stay_apart_and_the_exit_code_is_passed_on(guest: RunningVm) -> None:
    ended, out, err = run(guest, "sh", "-c", "echo out; echo err >&2; exit 37")
    assert (ended.code, out, err) == (37, b"out\n", b"err\n")


def test_given_a_command_that_a_signal_ends_then_its_code_is_a_shells(guest: RunningVm) -> None:
    assert run(guest, "sh", "-c", "kill -9 $$")[0].code == 137


@pytest.mark.parametrize(
    ("argv", "more", "said"),
    [
        (("no-such-program",), {}, "No such file or directory"),
        (("true",), {"user": "nobody-here"}, "no such user"),
        (("true",), {"cwd": "/no/such/folder"}, "cannot enter its folder"),
    ],
)
def test_given_a_command_that_cannot_be_started_then_it_is_said_why_and_the_channel_goes_on(
    guest: RunningVm, argv: tuple[str, ...], more: dict[str, str], said: str
) -> None:
    with opened(guest) as channel:
        with pytest.raises(GuestRefused, match=said):
            channel.run(Command(argv=argv, env={}, **more), stdout=print, stderr=print)  # type: ignore[arg-type]
        assert channel.run(Command(argv=["true"], env={}), stdout=print, stderr=print).code == 0


def test_given_megabytes_both_ways_then_every_byte_arrives(guest: RunningVm) -> None:
    data = os.urandom(3_000_001)
    _, out, _ = run(guest, "cat", stdin=data)
    assert hashlib.sha256(out).digest() == hashlib.sha256(data).digest()


def test_given_input_that_nobody_reads_then_the_command_ends_all_the_same(guest: RunningVm) -> None:
    assert run(guest, "true", stdin=bytes(2_000_000))[0].code == 0


def test_given_a_time_limit_when_it_is_over_then_the_command_and_its_children_are_killed(guest: RunningVm) -> None:
    started = time.monotonic()
    ended, _, _ = run(guest, "sh", "-c", "sleep 4321 & sleep 4321", timeout_seconds=0.3)
    assert ended == GuestExit(Ending.TIMED_OUT, 0)
    assert ended.code == 124
    assert time.monotonic() - started < SOON
    assert b"4321" not in run(guest, "ps")[1]


def test_given_a_daemon_that_keeps_the_output_open_then_the_command_still_ends(guest: RunningVm) -> None:
    ended, out, _ = run(guest, "sh", "-c", "sleep 30 & echo started")
    assert (ended.code, out) == (0, b"started\n")


def test_given_a_signal_then_the_command_gets_it(guest: RunningVm) -> None:
    heard = threading.Event()
    with opened(guest) as channel:

        def send() -> None:
            heard.wait(SOON)
            channel.signal(15)

        timer = threading.Thread(target=send)
        timer.start()
        ended = channel.run(
            Command(argv=["sh", "-c", "echo up; exec sleep 100"], env={}), stdout=lambda _: heard.set(), stderr=print
        )
        timer.join()
    assert ended == GuestExit(Ending.SIGNALLED, 15)


def test_given_a_host_that_goes_away_then_its_command_is_killed_and_the_channel_is_free(guest: RunningVm) -> None:
    with opened(guest) as channel:
        channel._send(FrameType.EXECUTE, Command(argv=["sleep", "8765"], env={}).to_bytes())
        give_up_at = time.monotonic() + SOON
        while "8765" not in said_by(guest, "ps", channel=1):
            assert time.monotonic() < give_up_at
    give_up_at = time.monotonic() + SOON
    while "8765" in said_by(guest, "ps", channel=1):
        assert time.monotonic() < give_up_at
    assert run(guest, "echo", "free")[1] == b"free\n"


def test_given_a_host_that_dies_in_the_middle_of_a_frame_then_the_next_command_is_understood(guest: RunningVm) -> None:
    for _ in range(3):
        with opened(guest) as channel:
            channel._connection.sendall(b"\x00\x10\x00\x00E\x00\x00\x00" + b"half of it")
        assert run(guest, "echo", "understood")[1] == b"understood\n"


def test_given_a_call_that_was_repeated_when_it_comes_late_then_it_disturbs_nothing(guest: RunningVm) -> None:
    nonce = os.urandom(NONCE_BYTES)
    connection = guest.endpoints.channels[0].connect(BOOT_SECONDS)
    connection.sendall(SYNC_MAGIC + nonce)
    heard = b""
    while (unread := after_hello(heard, nonce)) is None:
        heard += connection.recv(1000)
    with Channel(connection, unread) as channel:
        again = threading.Thread(target=connection.sendall, args=(SYNC_MAGIC + nonce,))
        ended = channel.run(
            Command(argv=["sh", "-c", "echo up; sleep 1; echo still here"], env={}),
            stdout=lambda said: again.start() if b"up" in said else None,
            stderr=print,
        )
        again.join()
    assert ended == GuestExit(Ending.EXITED, 0)


def test_given_two_commands_at_once_then_neither_waits_for_the_other(guest: RunningVm) -> None:
    with opened(guest, 2) as slow:
        slow._send(FrameType.EXECUTE, Command(argv=["sleep", "60"], env={}).to_bytes())
        assert said_by(guest, "echo", "meanwhile", channel=3) == "meanwhile\n"


def test_given_a_port_of_the_guest_then_bytes_go_through_to_it_and_back(guest: RunningVm) -> None:
    serving = threading.Thread(target=lambda: run_on(guest, 4, "nc", "-l", "-p", "7007", "-e", "cat"))
    serving.start()
    give_up_at = time.monotonic() + SOON
    while "7007" not in said_by(guest, "netstat", "-ltn", channel=5):
        assert time.monotonic() < give_up_at
    data = os.urandom(100_000)
    got = bytearray()
    with opened(guest, 6) as channel:
        channel.connect(7007, stdin=[data], stdout=got.extend)
        with pytest.raises(GuestRefused, match="Connection refused"):
            channel.connect(7008, stdin=[], stdout=got.extend)
    serving.join(SOON)
    assert bytes(got) == data


def run_on(guest: RunningVm, channel: int, *argv: str) -> None:
    with opened(guest, channel) as open_channel:
        open_channel.run(Command(argv=argv, env={}), stdout=print, stderr=print)


def test_given_an_identity_then_the_guest_has_its_name_its_machine_id_and_its_time(guest: RunningVm) -> None:
    now = 1_900_000_000
    with opened(guest) as channel:
        channel.personalise(
            Identity(random=os.urandom(64), hostname="fix-login", machine_id="ab" * 16, now_ns=now * 10**9)
        )
    said = said_by(guest, "sh", "-c", "hostname; cat /etc/machine-id /etc/hostname; date +%s").split()
    assert said[:3] == ["fix-login", "ab" * 16, "fix-login"]
    assert 0 <= int(said[3]) - now < SOON


def test_given_a_frozen_disk_then_nothing_is_written_until_whoever_froze_it_is_gone(guest: RunningVm) -> None:
    with opened(guest) as channel:
        channel.freeze()
        with opened(guest, 1) as other:
            waiting = Command(argv=["sh", "-c", "echo x > /etc/written"], env={}, timeout_seconds=0.5)
            other._send(FrameType.EXECUTE, waiting.to_bytes())
            # A process that waits for a frozen disk cannot be killed, so nothing may be asked of it now.
    assert said_by(guest, "sh", "-c", "echo y > /etc/thawed; cat /etc/thawed", channel=2) == "y\n"


def test_given_the_sources_of_the_agent_then_no_function_in_them_is_longer_than_a_screen() -> None:
    sources = Path(images.__file__).with_name("guest") / "agent"
    for path in sources.glob("*.c"):
        lines = path.read_text().splitlines()
        starts = [
            n for n, line in enumerate(lines) if line.endswith("{") and not line.startswith((" ", "struct", "enum"))
        ]
        for start in starts:
            end = next(n for n in range(start, len(lines)) if lines[n].startswith("}"))
            assert end - start <= 40, f"{path.name}:{start + 1}"
