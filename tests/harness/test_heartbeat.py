"""Heartbeats: who trains a run and how far it is, to be read from any machine, and silence that means something."""

from __future__ import annotations

import os
from pathlib import Path

from dlth_bench.harness.heartbeat import beating, file_clock, read_beat, silent_seconds


def test_a_run_in_training_tells_how_far_it_is(tmp_path: Path) -> None:
    """The first sign of life comes at once, later ones carry the last step, and the end leaves nothing behind."""
    told: list[tuple[str, int, int]] = []
    with beating(tmp_path, lambda *step: told.append(step), every_seconds=0.001) as heard:
        first = read_beat(tmp_path)
        heard("pretrain", 3, 40)
        while (beat := read_beat(tmp_path)) is None or beat.step == 0:
            pass
    assert first is not None and first.pid == os.getpid()
    assert (beat.stage, beat.step, beat.total) == ("pretrain", 3, 40)
    assert told == [("pretrain", 3, 40)]
    assert list(tmp_path.iterdir()) == []


def test_silence_is_measured_by_the_clock_that_dates_the_files(tmp_path: Path) -> None:
    """A machine whose clock is wrong by an hour takes no run for dead: file times are compared with file times."""
    with beating(tmp_path, lambda stage, step, total: None):
        silent = silent_seconds(tmp_path, file_clock(tmp_path))
    assert silent is not None and abs(silent) < 5
    assert silent_seconds(tmp_path, file_clock(tmp_path)) is None


def test_a_damaged_heartbeat_is_none(tmp_path: Path) -> None:
    """What a crash of the machine left half-written does not break who looks."""
    (tmp_path / "heartbeat.json").write_text('{"host": "n')
    assert read_beat(tmp_path) is None
