"""This process's terminal, handed to a command in a guest: keys go there as they are typed, and so does its size.

Where there are no terminals of this kind (Windows), commands in guests get none either.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent_swarm.vm.guest.frames import WindowSize

if sys.platform == "win32":  # pragma: no cover - runs there alone

    def is_there() -> bool:
        """Whether standard input and output are a terminal that can be handed over."""
        return False

    @contextmanager
    def handed_over(resized: Callable[[WindowSize], object]) -> Iterator[None]:
        """Keys go where standard input is read, all of them, until the end of this; `resized` hears of new sizes."""
        raise NotImplementedError
        yield
else:
    import termios
    import tty

    def is_there() -> bool:
        """Whether standard input and output are a terminal that can be handed over."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()

    @contextmanager
    def handed_over(resized: Callable[[WindowSize], object]) -> Iterator[None]:
        """Keys go where standard input is read, all of them, until the end of this; `resized` hears of new sizes."""
        keyboard = sys.stdin.fileno()
        before = termios.tcgetattr(keyboard)

        def tell(*_: object) -> None:  # not in the handler: it may have come in the middle of what is being sent
            threading.Thread(target=resized, args=(size(),), daemon=True).start()

        watched = signal.signal(signal.SIGWINCH, tell)
        try:
            tty.setraw(keyboard)
            yield
        finally:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
            signal.signal(signal.SIGWINCH, watched)


def size() -> WindowSize:
    """How big the terminal is now."""
    found = os.get_terminal_size(sys.stdout.fileno())
    return WindowSize(found.lines or 24, found.columns or 80)


def kind() -> dict[str, str]:
    """The variables that tell a program what its terminal can do."""
    return {name: os.environ[name] for name in ("TERM", "COLORTERM") if name in os.environ}
