"""How hard a model is to think, which stands behind its name: `gpt-5.5:high`."""

from collections.abc import Collection


def model_and_effort(named: str | None, efforts: Collection[str]) -> tuple[str, str]:
    """The two parts; without one of these efforts at its end the name is all of the model's."""
    model, _, effort = (named or "").rpartition(":")
    return (model, effort) if model and effort in efforts else (named or "", "")
