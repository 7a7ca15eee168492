"""Writing files so that nothing half-written is ever taken for a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` so that a reader, or a kill, sees the old or the new file, never a part.

    Raises:
        OSError: naming ``path`` or its folder; the old file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _opened(temporary) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):  # names the temporary file, which means nothing to a user, or none
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _opened(path: Path) -> BinaryIO:
    """A new file; its folder is made when it is missing, which is rare and costs a call to the disk to find out."""
    try:
        return path.open("wb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")
