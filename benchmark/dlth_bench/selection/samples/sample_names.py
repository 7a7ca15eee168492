"""What a sample's ID must be to stand in a subset file."""

from __future__ import annotations

from dlth_bench.spec.quoting import quoted


def misnamed(sample_id: str, class_id: str) -> str:
    """What is wrong with the ID of a sample of a class; nothing if it is ``<class ID>/<name>``."""
    own, _, name = sample_id.partition("/")
    if own != class_id:
        return f"sample {quoted(sample_id)} has the label of {class_id}; its ID must be {class_id}/<name>"
    if not name or "/" in name or " " in name or not name.isprintable():
        return f"sample {quoted(sample_id)}: an ID is <class ID>/<name>, the name without slash or white space"
    return ""
