"""Where benchmarks keep their files."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards; TMPDIR has to be on a real disk, because durable writes are measured."""
    path = Path(tempfile.mkdtemp(prefix="agent-swarm-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
