"""What the figures were measured on."""

import os
import platform
import sqlite3
from datetime import UTC, datetime
from typing import Any

import psutil


def facts(*, load_before: tuple[float, float, float], seconds: float) -> dict[str, Any]:
    """Everything a reader needs to judge the figures. Load is the average of the last minute."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cores": len(os.sched_getaffinity(0)),
        "memoryGiB": round(psutil.virtual_memory().total / 2**30, 1),
        "loadBefore": round(load_before[0], 2),
        "loadAfter": round(os.getloadavg()[0], 2),
        "seconds": round(seconds, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
