"""Files: written atomically, small ones read with clear errors, and the folders that come with the package."""

from __future__ import annotations

import difflib
import itertools
import os
import re
from pathlib import Path
from typing import BinaryIO, Literal

from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted


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


MAX_BYTES = 1 << 20
"""Cards and protocols are far smaller; a larger file is the wrong file."""

LINE_BREAK = re.compile(r"\r\n|\n|\r")
"""What editors count as a line; ``str.splitlines`` also breaks at form feeds and others, and would miscount."""

_COMMENT = re.compile(r"(?:^|\s)#.*", re.DOTALL)

_MAX_NEIGHBOURS = 5000


def without_comment(line: str) -> str:
    """A line without white space around it and without its comment: a ``#`` at its start or after white space."""
    return _COMMENT.sub("", line, count=1).strip()


def read_text_file(path: Path | str, max_bytes: int = MAX_BYTES) -> str:
    """The text of a UTF-8 file of at most ``max_bytes``; a byte order mark is dropped.

    Raises:
        InputError: no such file, a folder, unreadable, too large, or not UTF-8 text.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(_missing(path), source=path) from None
    except IsADirectoryError:
        raise InputError("is a folder, not a file", source=path) from None
    except PermissionError:
        raise InputError("cannot be read: permission denied", source=path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or 'input/output error'}", source=path) from None
    except ValueError:  # a NUL in the name
        raise InputError("is not a file name", source=path) from None
    if len(data) > max_bytes:
        raise InputError(f"is larger than {max_bytes // 1024} KiB, too large for what it should be", source=path)
    return _decoded(data, path)


def _decoded(data: bytes, source: Path) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("is UTF-16 text; save it as UTF-8", source=source, line=1)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        message = f"is not UTF-8 text (byte 0x{data[error.start]:02x})"
        raise InputError(message, source=source, line=_line_after(before)) from None
    nul = text.find("\0")
    if nul >= 0:
        raise InputError("is not text: it holds a NUL byte", source=source, line=_line_after(text[:nul]))
    return text.removeprefix("\ufeff")


def _line_after(before: str) -> int:
    return len(LINE_BREAK.findall(before)) + 1


def _missing(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in itertools.islice(path.parent.iterdir(), _MAX_NEIGHBOURS))
    except (FileNotFoundError, NotADirectoryError):
        return f"no such file: its folder {quoted(str(path.parent), 120)} does not exist"
    except OSError:
        return "no such file"
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"no such file; did you mean {quoted(near[0])}?" if near else "no such file"


def is_file(path: Path) -> bool:
    """Whether it is a file; no name is too strange to ask."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False


ShippedKind = Literal["protocols", "subsets"]

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_folder(kind: ShippedKind) -> Path:
    """The folder of the shipped protocols or subsets.

    The wheel carries them inside the package; in a checkout they lie at the repository's top level.

    Raises:
        InputError: this installation has neither.
    """
    checkout = _PACKAGE.parent.parent
    candidates = [_PACKAGE / "_shipped" / kind]
    if (checkout / "pyproject.toml").is_file():  # else it is some folder above site-packages
        candidates.append(checkout / kind)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise InputError(f"this installation carries no {kind}; reinstall dlth-bench or run it from a checkout")
