"""`code` in a person's SSH session: what a guest may ask for, and on the tiny guest that the host's editor is opened.

The tiny guest has no sshd; a stand-in for it begins the session as sshd would. The host's `code` is a stand-in, too.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.vm.conftest import SMALL

from agent_swarm.vm import editor, inside
from agent_swarm.vm.bridge import session_options
from agent_swarm.vm.guest.frames import Command
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.lent_editor import LINE_BYTES, VARIABLE, Listener, Request, Way, open_for_guest, request_of
from agent_swarm.vm.names import project_ref
from agent_swarm.vm.projects import create_project

SHOP = project_ref("shop")
CODE = Path(editor.__file__).with_name("guest") / "code.sh"


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("/srv/shop", "/srv/shop"),
        ("/srv/a b/ü.txt", "/srv/a b/ü.txt"),
        ("/", "/"),
        ("//evil.example/share", "/evil.example/share"),
        ("/srv/../etc", "/etc"),
        ("/srv/--install-extension=x", "/srv/--install-extension=x"),
    ],
)
def test_given_an_absolute_path_then_it_is_a_request_for_that_path(line: str, path: str) -> None:
    assert request_of(f"aB3dE6 {line}".encode(), by_batch=False) == Request("aB3dE6", path)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"/srv",
        b"aB3dE6",
        b"aB3dE6 srv",
        b"aB3dE6 --install-extension=evil",
        b"aB3dE6 vscode-remote://ssh-remote+other/srv",
        b"aB3dE6 /srv\r",
        b"aB3dE6 /srv\x1b]0;x\x07",
        b"aB3dE6 /srv\0x",
        b"aB3dE6 /srv\xff",
        "aB3dE6 /srv\u202egnp".encode(),
        "aB3dE6 /srv\u2028x".encode(),
        b"aB3dE6\n /srv",
        b"../../e /srv",
        b"a;B$d` /srv",
        b"aB3dE6aB3dE6a /srv",
        b"aB3dE6 /" + b"a" * LINE_BYTES,
    ],
)
def test_given_anything_else_then_it_is_no_request(line: bytes) -> None:
    assert request_of(line, by_batch=False) is None


@pytest.mark.parametrize("path", ["/a&calc", "/a b", "/%PATH%", '/a"b', "/a^b", "/a|b", "/a;b", "/(a)", "/a!b!"])
def test_given_an_editor_that_is_a_batch_file_then_what_its_interpreter_reads_is_refused(path: str) -> None:
    assert request_of(f"aB3dE6 {path}".encode(), by_batch=True) is None
    assert request_of(f"aB3dE6 {path}".encode(), by_batch=False) == Request("aB3dE6", path)
    assert request_of("aB3dE6 /srv/ü-1_2.x".encode(), by_batch=True) == Request("aB3dE6", "/srv/ü-1_2.x")


def test_given_errors_and_requests_mixed_then_errors_go_on_without_what_steers_a_terminal() -> None:
    heard, told, opened = bytearray(), threading.Event(), []

    def carry_out(request: Request) -> None:
        opened.append(request)
        told.set()

    listener = Listener(carry_out, heard.extend, pause=lambda _: None, by_batch=False)
    listener.take(b"sshd: no \x1b[31mhost")
    listener.take(b"keys\n\x1eeditor aB3dE6 nowhere\n\x1eedi")
    listener.take(b"tor aB3dE6 /srv\nlast")
    assert told.wait(10)
    assert heard == b"sshd: no [31mhostkeys\n"
    listener.finish()
    assert heard == b"sshd: no [31mhostkeys\nlast\n"
    listener.take(b"x" * 100_000)  # a line without an end is not kept
    assert heard.endswith(b"x\n")
    assert opened == [Request("aB3dE6", "/srv")]


def test_given_a_flood_of_requests_then_one_is_carried_out_one_waits_for_the_pause_and_the_rest_is_dropped() -> None:
    opened: list[str] = []
    pauses: list[float] = []
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def carry_out(request: Request) -> None:
        opened.append(request.path)
        begun.set()
        assert go_on.wait(10)

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            done.set()
            threading.Event().wait()  # no third one: the thread ends with the tests

    listener = Listener(carry_out, lambda _: None, pause=pause, by_batch=False)
    listener.take(b"\x1eeditor aB3dE6 /first\n")
    assert begun.wait(10)
    listener.take(b"".join(b"\x1eeditor aB3dE6 /%d\n" % number for number in range(100)))
    go_on.set()
    assert done.wait(10)
    assert opened == ["/first", "/0"]
    assert pauses == [1.0, 1.0]


def test_given_a_request_that_fails_then_the_next_one_is_carried_out_and_nothing_is_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    opened, paused = threading.Event(), threading.Event()

    def carry_out(request: Request) -> None:
        if request.path == "/bad":
            raise ValueError("no disk, perhaps")
        opened.set()

    listener = Listener(carry_out, lambda _: None, pause=lambda _: paused.set(), by_batch=False)
    listener.take(b"\x1eeditor aB3dE6 /bad\n")
    assert paused.wait(10)
    listener.take(b"\x1eeditor aB3dE6 /good\n")
    assert opened.wait(10)
    assert capfd.readouterr() == ("", "")


def test_given_no_editor_on_the_host_then_the_answer_says_how_to_get_it(
    vm_host: VmHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = open_for_guest(vm_host, SHOP, "/srv")
    assert answer.startswith("no on the host: VS Code's command `code` is not on PATH; in VS Code: ")


def test_given_no_way_in_the_guest_then_the_session_begins_all_the_same(tmp_path: Path) -> None:
    way = Way(str(tmp_path / "way"))
    _, _, _, forced = session_options([], way)
    asked = {"SSH_ORIGINAL_COMMAND": 'echo "$PATH <$AGENT_SWARM_EDITOR>"', "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    command = ["/bin/sh", "-c", forced.removeprefix("ForceCommand=")]
    done = subprocess.run(command, env=asked, capture_output=True, text=True, check=True)
    assert done.stdout == "/usr/bin:/bin <>\n"
    (tmp_path / "way").mkdir()
    os.mkfifo(tmp_path / "way/ask")
    done = subprocess.run(command, env=asked, capture_output=True, text=True, check=True)
    assert done.stdout == f"/usr/bin:/bin:{way.folder} <{way.folder}>\n"


def test_given_nobody_who_reads_then_code_gives_up_when_its_time_is_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ask")
    (tmp_path / "sleep").write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/slept\n')
    (tmp_path / "sleep").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "AGENT_SWARM_EDITOR": str(tmp_path)}
    done = subprocess.run(["sh", CODE, "/"], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, "code: the host did not answer within 30 s\n")
    assert (tmp_path / "slept").read_text() == "30\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--wait", "."], "a path and no options"),
        ([".", "."], "one path"),
        (["missing"], "there is no ./missing"),
        (["a\nb"], "control characters"),
        (["."], "is over, or there was none: agent-swarm ssh begins one"),
        ([], "is over, or there was none"),
        (["--", "-"], "is over, or there was none"),
    ],
)
def test_given_nothing_that_can_be_asked_then_code_says_so(words: list[str], said: str, tmp_path: Path) -> None:
    for name in ("a\nb", "-"):
        (tmp_path / name).touch()
    for known in ({}, {"AGENT_SWARM_EDITOR": str(tmp_path)}):
        environment = {"PATH": "/usr/bin:/bin", **known}
        done = subprocess.run(
            ["sh", CODE, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stderr.startswith("code: ")


SSHD = """#!/bin/sh
for word; do case $word in ForceCommand=*) forced=${word#ForceCommand=} ;; esac; done
cd /home/worker
exec su -s /bin/sh worker -c "$forced"
"""
PREPARE = """
mkdir -p /etc/ssh /etc/profile.d /usr/sbin
chmod 1777 /tmp
echo 'ssh-ed25519 AAAA of-the-guest' > /etc/ssh/ssh_host_ed25519_key.pub
printf %s "$1" > /usr/sbin/sshd
chmod 755 /usr/sbin/sshd
"""
HOSTILE = r"""
printf '%s\n' 'aB3dE6 --install-extension=evil' '--help' 'aB3dE6 vscode-remote://x/y' 'aB3dE6 relative' > "$ask"
printf 'aB3dE6 /a\033b\n' > "$ask"
head -c 70000 /dev/zero | tr '\0' a > "$ask"
printf '\naB3dE6 /%5000d\n' 7 > "$ask"
printf '\036editor aB3dE6 /twice/marked\n' > "$ask"
"""


class Session:
    """A session's first shell, whose commands are typed here."""

    def __init__(self, host: VmHost) -> None:
        words = [sys.executable, "-m", "agent_swarm.vm.bridge", str(host.layout.root), SHOP.vm_id, "--lend-editor"]
        pipe = subprocess.PIPE
        environment = {**os.environ, "VM_VARIABLE_TOKEN": "not-for-the-editor"}
        self.process = subprocess.Popen([*words, "TOKEN"], stdin=pipe, stdout=pipe, stderr=pipe, env=environment)

    def said(self, *commands: str) -> list[str]:
        """The lines that the commands print, errors among them."""
        assert self.process.stdin
        assert self.process.stdout
        lines = "\n".join(commands)
        self.process.stdin.write(f"{{ {lines}\n}} 2>&1\necho '=END='\n".encode())
        self.process.stdin.flush()
        said: list[str] = []
        for line in self.process.stdout:
            if line == b"=END=\n":
                return said
            said.append(line.decode().rstrip("\n"))
        pytest.fail(f"the session ended: {said}")

    def ended(self) -> tuple[int, bytes]:
        """Its exit code once its shell has ended, and what was printed as errors."""
        _, errors = self.process.communicate(b"exit 7\n", timeout=120)
        return self.process.returncode, errors


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the host's `code` writes what it is called with, a line per call."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    (folder / "code").write_text(
        f'#!/bin/sh\n{{ printf "%s|" "$@"; echo "<$VM_VARIABLE_TOKEN>"; }} >> {calls}\n[ "$3" != /etc ] || exit 4\n'
    )
    (folder / "code").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    return calls


@pytest.fixture
def shop(tiny_host: VmHost, calls: Path) -> VmHost:
    """A host with the project VM `shop`, whose sshd is a stand-in."""
    create_project(tiny_host, "shop", size=SMALL)
    with inside.guest_of(tiny_host, SHOP) as guest:
        guest.run(Command(argv=["sh", "-c", PREPARE, "sh", SSHD], env={}), stdout=print, stderr=print)
    return tiny_host


@pytest.fixture
def session(shop: VmHost) -> Iterator[Session]:
    session = Session(shop)
    yield session
    session.process.kill()
    session.process.wait()


def in_guest(host: VmHost, script: str, way: str = "") -> list[str]:
    """The lines that a script prints in the guest, with a session's folder as its variable."""
    out = bytearray()
    streams = inside.Streams(stdin=(), stdout=out.extend, stderr=out.extend)
    inside.run(host, SHOP, ["sh", "-c", script], {VARIABLE: way}, streams)
    return out.decode().splitlines()


GONE = 'while [ -e "$AGENT_SWARM_EDITOR" ]; do sleep 0.1; done'
PROCESSES = 'set -- /proc/[0-9]*/cmdline; grep -ls "$AGENT_SWARM_EDITOR" "$@" | wc -l'
OVER = "code: the session on the host that it would ask is over, or there was none: agent-swarm ssh begins one"


def left_by_a_killed_session(host: VmHost) -> list[str]:
    """What `code` says where a session's host was killed, its exit code, and that no process of it is left."""
    session = Session(host)
    (folder,) = session.said('echo "$AGENT_SWARM_EDITOR"', 'cp "$AGENT_SWARM_EDITOR/code" kept')
    assert int(in_guest(host, PROCESSES, folder)[0]) >= 3  # the shell, the reader, the watcher
    session.process.send_signal(signal.SIGKILL)
    session.process.wait()
    ended = f'until [ "$({PROCESSES})" = 0 ]; do sleep 0.1; done; echo none'
    return in_guest(host, f"{GONE}; sh kept .; echo $?; {ended}", folder)


@pytest.mark.slow
def test_given_a_session_when_code_is_typed_in_it_then_the_hosts_editor_opens_there_and_nothing_else_can_be_asked(
    shop: VmHost, session: Session, calls: Path, tmp_path: Path
) -> None:
    (folder,) = session.said('echo "$AGENT_SWARM_EDITOR"')
    assert session.said("command -v code", f"stat -c '%a %U' {folder}/ask") == [f"{folder}/code", "600 worker"]
    assert session.said("sh -lc 'PATH=/bin; . /etc/profile.d/agent-swarm-editor.sh; command -v code'") == [
        f"{folder}/code"
    ]
    assert in_guest(shop, 'command -v code; echo "<$AGENT_SWARM_EDITOR>"') == ["<>"]  # with `run` there is none
    assert session.said("code .; echo $?") == [
        "code: the host is not ready for it; there, once: agent-swarm project code shop --configure",
        "1",
    ]
    editor.command(shop, SHOP, "/", config=tmp_path / ".ssh/config", configure=True)

    session.said("mkdir -p sub/dir 'a b'; : > 'a b/file.txt'; ask=$AGENT_SWARM_EDITOR/ask", HOSTILE)
    typed = ("code .", "code sub/dir", "cd sub && code", "code '../a b/file.txt'")
    assert session.said(*(f"{command}; echo $?" for command in typed)) == ["0"] * 4
    paths = ("", "/sub/dir", "/sub", "/a b/file.txt")
    expected = [f"--remote|ssh-remote+project-shop|/home/worker{path}|<>" for path in paths]
    assert calls.read_text().splitlines() == expected
    assert session.said("code /etc; echo $?") == [
        "code: on the host: its code ended with 4; there, to see why: agent-swarm project code shop",
        "1",
    ]
    assert session.said("ls -d /tmp/agent-swarm-code.*") == ["ls: /tmp/agent-swarm-code.*: No such file or directory"]
    with inside.guest_of(shop, SHOP) as guest:
        own = "mkdir -p /usr/local/bin; cp /bin/true /usr/local/bin/code; chmod 755 /usr/local/bin/code"
        guest.run(Command(argv=["sh", "-c", own], env={}), stdout=print, stderr=print)
    assert session.said("hash -r; command -v code") == ["/usr/local/bin/code"]  # the guest's own goes first
    assert session.ended() == (7, b"")
    assert in_guest(shop, f"{GONE}; echo gone", folder) == ["gone"]
    assert left_by_a_killed_session(shop) == [OVER, "1", "none"]
    assert calls.read_text().splitlines()[:-1] == expected  # the last one is /etc's
