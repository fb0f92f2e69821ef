"""Python's cycle collector, told how a server uses memory.

What is there after the start stays for good, and a request or a batch makes thousands of values that nothing refers to
in a circle: looking through them again and again took a sixth of the processor time of a busy server (measured).
"""

import gc

YOUNG = 20_000  # new objects between two looks; a few megabytes of circles at most wait for the next one


def settle() -> None:
    """Leave what is there now alone, and look less often at what comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
