"""A valid submission, and what a hostile or clumsy stranger may make of it."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

TEXTS = st.sampled_from(
    [
        '=HYPERLINK("https://evil.org","x")',
        "+1+cmd|' /C calc'!A0",
        "@SUM(1)",
        "-2+3",
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "|a|b|\n|-|-|",
        "![i](https://evil.org/i.png)",
        "`code` **bold** $x$ &amp;",
        "../../../etc/passwd",
        "..",
        "C:\\evil",
        "file:///etc/passwd",
        "\x1b[31mred",
        "a\u202eb",
        "a\u200bb",
        "\ufeff",
        "mіne",  # a Cyrillic і
        "ｍine",
        "RЅ",
        "x" * 5000,
        "",
        " ",
        "\x00",
        "NaN",
        "\ud800",
    ]
)
RAW = TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))
VALUES = st.one_of(
    TEXTS,
    st.sampled_from(
        [float("nan"), float("inf"), -float("inf"), 1e308, -1, 0, 2**63, 10**400, True, None, [], {}, [[[[[[]]]]]]]
    ),
    st.floats(),
    st.integers(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
)
YAML = st.sampled_from(
    [
        "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
        "name: !!python/object/apply:os.system ['touch {outside}']\n",
        "name: !!timestamp foo\n",
        "name: !!bool foo\n",
        "name: !!int ''\n",
        "name: !!binary '*'\n",
        "date: 2026-13-45\n",
        "classes: 0x" + "f" * 20_000 + "\n",
        "classes: " + "9" * 10_000 + "\n",
        "classes: 190:20:30\n",
        "a: " + "[" * 3000 + "\n",
        "a: " + "{a: " * 3000 + "\n",
        "? [a]\n: b\n",
        "<<: {name: other}\n",
        "<<: 5\n",
        "a: =\n",
        "%YAML 9.9\n---\nname: x\n",
        "--- a\n--- b\n",
        "name: mine\nname: other\n",
        "schema_version: 2\n",
        "schema_version: true\n",
        "1: 2\n",
        "null: 2\n",
        "name: 'x\n",
        "\tname: x\n",
        'policy: "\\u202eSR"\n',
    ]
)
FILES = ("submission.yaml", "subset.txt", "results.jsonl", "scorecard.json")
NAMES = (*FILES, "verification.json")

MUTATIONS = st.one_of(
    st.tuples(st.just("bytes"), st.sampled_from(NAMES), st.binary(max_size=40), st.integers(0, 10**6)),
    st.tuples(st.just("replace"), st.sampled_from(NAMES), st.one_of(st.binary(max_size=60), RAW), st.just(0)),
    st.tuples(st.just("yaml"), st.just("submission.yaml"), YAML, st.booleans()),
    st.tuples(st.just("value"), st.sampled_from(NAMES), VALUES, st.lists(st.integers(0, 10**6), max_size=5)),
    st.tuples(st.just("twice"), st.sampled_from(NAMES), VALUES, st.integers(0, 10**6)),
    st.tuples(st.just("delete"), st.sampled_from(NAMES), st.none(), st.integers(0, 10**6)),
    st.tuples(
        st.just("lines"), st.sampled_from(("results.jsonl", "subset.txt")), st.integers(0, 30), st.integers(0, 9)
    ),
    st.tuples(st.just("link"), st.sampled_from((*NAMES, "extra")), st.booleans(), st.just(0)),
    st.tuples(st.just("large"), st.sampled_from(NAMES), st.just(1 << 30), st.just(0)),
    st.tuples(st.just("extra"), TEXTS, st.binary(max_size=5), st.just(0)),
)


def mutate(folder: Path, outside: Path, mutation: tuple[str, str, Any, Any]) -> None:
    """Change a submission's folder; ``outside`` is a file that it has no business with."""
    kind, name, what, where = mutation
    path = folder / name if kind != "extra" else folder
    if path.is_symlink():  # of an earlier change: writing through it would be our own doing
        return
    data = (
        path.read_bytes() if kind not in {"extra", "link"} and path.is_file() and path.stat().st_size < 10**7 else b""
    )
    if kind == "bytes":
        at = where % (len(data) + 1)
        path.write_bytes(data[:at] + what + data[at + len(what) :])
    elif kind == "replace":
        path.write_bytes(what)
    elif kind == "yaml":
        text = what.replace("{outside}", str(outside.with_name("ran")))
        path.write_text((data.decode("utf-8", "ignore") if where else "") + text)
    elif kind in {"value", "delete", "twice"}:
        path.write_bytes(_edited(name, data, kind, what, where))
    elif kind == "lines":
        lines = data.split(b"\n")
        lines.insert(where, lines[what % len(lines)])
        path.write_bytes(b"\n".join(lines))
    elif kind == "large":
        path.touch()
        os.truncate(path, what)
    elif kind == "link":
        path.unlink(missing_ok=True)
        path.symlink_to(outside if what else outside.parent)
    else:
        _stray(folder, name, what)


def _stray(folder: Path, name: str, data: bytes) -> None:
    safe = name.replace("/", "\u2215").replace("\x00", "0")
    if safe not in {"", ".", ".."} and len(safe.encode("utf-8", "ignore")) < 200:
        with contextlib.suppress(OSError, UnicodeError):
            (folder / safe).write_bytes(data)


def _edited(name: str, data: bytes, kind: str, what: Any, where: Any) -> bytes:
    """A document with a value, a key or an item changed; YAML is written as JSON, which it contains."""
    import yaml

    lines = data.decode("utf-8", "ignore").split("\n") if name == "results.jsonl" else [data.decode("utf-8", "ignore")]
    steps = where if isinstance(where, list) else [where]
    at = (steps[-1] if steps else 0) % len(lines)
    try:
        document = yaml.safe_load(lines[at]) if name == "submission.yaml" else json.loads(lines[at])
    except Exception:  # noqa: BLE001 - an earlier change has broken it already
        return data
    if kind == "twice":
        text = json.dumps(document, default=str)
        key = list(document)[steps[0] % len(document)] if isinstance(document, dict) and document else "name"
        lines[at] = text[:-1] + f", {json.dumps(key)}: {_json(what)}" + "}"
    else:
        place, last = document, None
        for step in [*steps, 0]:
            keys = list(place) if isinstance(place, dict) else range(len(place)) if isinstance(place, list) else []
            if not keys:
                break
            parent, last = place, keys[step % len(keys)]
            place = place[last]
        if last is None:
            document = what
        elif kind == "delete":
            del parent[last]
        else:
            parent[last] = what
        lines[at] = _json(document)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _json(value: Any) -> str:
    try:
        return json.dumps(value, default=str)
    except ValueError:
        return '"?"'
