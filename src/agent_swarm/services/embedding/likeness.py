"""How alike vectors are, by the cosine between them. They are kept as base64 of little-endian float32, length one."""

import base64
import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXTRA = "embeddings"


def is_installed() -> bool:
    """Whether what compares vectors is here."""
    return importlib.util.find_spec("numpy") is not None


def packed(vector: Sequence[float]) -> str:
    """As it is kept; empty where it has no direction, or is no vector of numbers."""
    import numpy as np

    values = np.asarray(vector, dtype="<f4")
    length = float(np.linalg.norm(values))
    if not np.isfinite(length) or length == 0:
        return ""
    return base64.b64encode((values / length).astype("<f4").tobytes()).decode("ascii")


def nearest(wanted: str, kept: Sequence[tuple[int, str]], *, floor: float, limit: int) -> list[int]:
    """The numbers of those that are most like `wanted` and at least `floor` alike (-1 to 1), best first."""
    fitting = [(number, vector) for number, vector in kept if len(vector) == len(wanted)]
    if not wanted or not fitting:
        return []
    likenesses = _matrix(fitting) @ _row(wanted)
    order = (-likenesses).argsort(kind="stable")[:limit]
    return [fitting[place][0] for place in order if likenesses[place] >= floor]


def _matrix(kept: Sequence[tuple[int, str]]) -> "NDArray[np.float32]":
    import numpy as np

    return np.stack([_row(vector) for _, vector in kept])


def _row(vector: str) -> "NDArray[np.float32]":
    import numpy as np

    return np.frombuffer(base64.b64decode(vector), dtype="<f4")
