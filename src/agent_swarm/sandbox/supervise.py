"""The program between a worker and one command: it starts the command and outlives everything that descends from it.

It is a child subreaper (prctl(2)): a descendant whose parent dies, a daemon that forked twice or left the session,
becomes the supervisor's own child. So "waitpid finds no child" means "nothing of the run is left", and only then does
it exit.

    the command ends                 the rest is killed at once
    `stop`, or SIGTERM to this       SIGTERM to all, SIGKILL to what is left when the grace is over
    `kill`                           SIGKILL to all
    the worker dies in any way       SIGKILL to all: its end of the socket closes, PR_SET_PDEATHSIG wakes the poll

When the supervisor itself is killed the command dies with it (PR_SET_PDEATHSIG again); what the command left behind
is then the worker's to find: by cgroup, by marker. In a sandbox with a PID namespace it is the first process there: it
does the same, and the kernel ends the whole namespace with it. Started by `supervised.py`, once per command, and on the
way of every start: keep the imports few. Off Linux it ends the command's process group and nothing more.
"""

import errno
import os
import select
import signal
import sys
import time

from agent_swarm.sandbox import processtree
from agent_swarm.sandbox.control import LaunchOrder, read_order

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_FIRST_RECHECK_SECONDS, _LAST_RECHECK_SECONDS = 0.005, 0.1  # between walks, while killed processes are on their way out


def main() -> None:
    """Entry: the control socket's file descriptor and the parent's pid are the two arguments.

    The pid is the worker's, or 0 for a parent outside of the PID namespace that this process is the first of.
    """
    control, worker = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(control, False)
    if worker == 0:
        hide_from_agents()
        die_with_parent(signal.SIGKILL, parent=0)  # not by a signal to be heard: that the parent is gone shows nowhere
    else:
        die_with_parent(signal.SIGHUP, parent=worker)
    os._exit(Supervisor(control, worker).run())


class Supervisor:
    """One command's life. Everything happens in `run`, on one thread; signals only wake it."""

    def __init__(self, control: int, worker: int) -> None:
        self._control = control
        self._worker = worker
        self._wake, self._wake_writer = os.pipe()
        self._order_text = b""
        self._grace = 0.0
        self._sigterm = False
        self._command = 0
        self._exit_code: int | None = None  # of the command, once it has ended
        self._deadline: float | None = None  # when `stop` turns into `kill`

    def run(self) -> int:
        """Start what the worker orders, see it through, and return an exit code in the shell's manner."""
        self._listen_to_signals()
        become_subreaper()
        order = read_order(self._control)
        if order is None:
            return 0
        self._grace = order.grace
        failure = hand_out_listeners(order) or self._start(order)
        if failure:
            self._report(f"failed {failure}")
            return 127
        self._report(f"started {self._command}")
        self._serve()
        self._kill_all(order.cgroup)
        self._report("alone")
        return self._exit_code or 0

    def _listen_to_signals(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the worker's may block some
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_writer, False)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_sigterm)

    def _on_sigterm(self, *_: object) -> None:
        self._sigterm = True

    def _start(self, order: LaunchOrder) -> str:
        """Fork and exec; empty, or the step that failed with its errno."""
        supervisor = os.getpid()
        failures, failures_writer = os.pipe()
        self._command = os.fork()
        if self._command == 0:
            become(order, supervisor, failures_writer)
        os.close(failures_writer)
        failure = os.read(failures, 100).decode()  # empty once the exec has closed the other end
        os.close(failures)
        let_go_of_pipes()
        return failure

    def _serve(self) -> None:
        """Until all must die: because the command ended, the worker says so or is gone, or the grace is over."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while not self._is_over():
            wait = None if self._deadline is None else max(0.0, self._deadline - time.monotonic()) * 1000
            for fd, _ in poll.poll(wait):
                if fd == self._control and not self._obey():
                    return
            self._drain_wakes()

    def _is_over(self) -> bool:
        if self._has_reaped_all() or os.getppid() != self._worker:
            return True
        if self._sigterm:
            self._sigterm = False
            self._stop(self._grace)
        if self._deadline is None:
            return self._exit_code is not None
        return time.monotonic() >= self._deadline

    def _obey(self) -> bool:
        """Take orders from the worker; False when the order is to kill, or there is no worker."""
        try:
            received = os.read(self._control, 4096)
        except OSError:
            return False
        if not received:
            return False
        *orders, self._order_text = (self._order_text + received).split(b"\n")
        for order in orders:
            verb, _, seconds = order.partition(b" ")
            if verb == b"interrupt" and self._exit_code is None:  # not reaped yet, so the pid is still its own
                os.kill(self._command, signal.SIGINT)
            elif verb == b"stop":
                self._stop(float(seconds))
            elif verb == b"kill":
                return False
        return True

    def _stop(self, grace: float) -> None:
        self._deadline = time.monotonic() + grace
        if not processtree.IS_LINUX:
            signal_group(self._command, signal.SIGTERM)
        everyone = processtree.descendants(os.getpid()) | ({self._command} if self._exit_code is None else set())
        processtree.signal_all(everyone, signal.SIGTERM)
        processtree.signal_all(everyone, signal.SIGCONT)  # a stopped process would not hear it

    def _kill_all(self, cgroup: str | None) -> None:
        """SIGKILL to everything, again and again, until no child is left to wait for."""
        if cgroup is not None:
            kill_cgroup(cgroup)
        if not processtree.IS_LINUX:
            signal_group(self._command, signal.SIGKILL)
        pause = _FIRST_RECHECK_SECONDS
        while not self._has_reaped_all():
            if not processtree.kill_tree(os.getpid()) and self._exit_code is None:  # no /proc here
                processtree.signal_all([self._command], signal.SIGKILL)
            if not self._has_reaped_all():
                select.select([self._wake], [], [], pause)
                self._drain_wakes()
                pause = min(2 * pause, _LAST_RECHECK_SECONDS)

    def _has_reaped_all(self) -> bool:
        """Collect the descendants that have ended; whether none is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self._command:
                self._note_end(os.waitstatus_to_exitcode(status))

    def _note_end(self, code: int) -> None:
        self._exit_code = code if code >= 0 else 128 - code
        self._report(f"exited {code}" if code >= 0 else f"signalled {-code}")

    def _report(self, line: str) -> None:
        try:
            os.write(self._control, line.encode() + b"\n")
        except OSError:  # the worker is gone; the poll will say so
            return

    def _drain_wakes(self) -> None:
        try:
            while os.read(self._wake, 4096):
                pass
        except BlockingIOError:
            return


def hand_out_listeners(order: LaunchOrder) -> str:
    """Open the run's ways out, where it has any; empty, or the step that failed with its errno."""
    if not order.listen:
        return ""
    from agent_swarm.sandbox.doorway import hand_out  # imports `socket`, which most runs do not need

    try:
        hand_out(order.way, order.listen)
    except OSError as exc:
        return f"door {exc.errno}"
    return ""


def become(order: LaunchOrder, supervisor: int, failures: int) -> None:
    """In the forked child: turn into the command. Does not return."""
    step = "session"
    try:
        os.setsid()
        die_with_parent(signal.SIGKILL, parent=supervisor)
        reset_signals()
        if order.cgroup is not None:
            join_cgroup(order.cgroup)
        step = "directory"
        os.chdir(order.cwd)
        step = "program"
        os.execvpe(order.argv[0], order.argv, order.env)  # noqa: S606 - no shell is the point
    except OSError as exc:
        os.write(failures, f"{step} {exc.errno}".encode())
    except ValueError:  # a NUL in an argument, a `=` in a variable's name
        os.write(failures, f"{step} {errno.EINVAL}".encode())
    finally:
        os._exit(127)


def become_subreaper() -> None:
    """Have orphaned descendants re-parented to this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_from_agents() -> None:
    """Keep the command, which runs as the same user, from this process's memory and descriptors."""
    _prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent(number: int, *, parent: int) -> None:
    """Receive the signal when `parent` dies; if it is dead already, die now."""
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died before the prctl: that death is not signalled
        os._exit(0)


def reset_signals() -> None:
    """Undo what exec does not: signals that this interpreter, or who started the worker, ignores or blocks."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def join_cgroup(path: str) -> None:
    """Move this process into the group. Where the kernel refuses, the walk over descendants does without it."""
    try:
        with open(f"{path}/cgroup.procs", "w") as file:
            file.write("0")
    except OSError:
        return


def kill_cgroup(path: str) -> None:
    """SIGKILL to everything in the group; `cgroup.Leaf.kill` without its imports."""
    try:
        with open(f"{path}/cgroup.kill", "w") as file:
            file.write("1")
    except OSError:
        return


def signal_group(leader: int, number: int) -> None:
    """Signal the command's process group, which is all that can be reached off Linux."""
    try:
        os.killpg(leader, number)
    except OSError:
        return


def let_go_of_pipes() -> None:
    """Leave standard input and output to the command, else nobody notices when it closes them."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    os.close(null)


def _prctl(option: int, value: int) -> None:
    if not processtree.IS_LINUX:
        return
    import ctypes  # slow to load, and of no use elsewhere

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value}) was refused")


if __name__ == "__main__":
    main()
