"""The clock that leases are measured with.

It counts on while the machine sleeps, so that a laptop that was closed for an hour knows on waking that its leases are
over.
"""

import time
from collections.abc import Callable

Clock = Callable[[], float]  # seconds since some fixed moment


def boot_clock() -> Clock:
    """The best clock of this system: CLOCK_BOOTTIME on Linux; CLOCK_MONOTONIC, which counts sleep there, on macOS."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        if (number := getattr(time, name, None)) is not None:
            return lambda: time.clock_gettime(number)
    return time.monotonic
