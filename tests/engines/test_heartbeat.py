"""Heartbeats: who trains a run and how far it is, to be read from any machine, and silence that means something."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from dlth_bench.engines.heartbeat import (
    STALE_SECONDS,
    Listener,
    Pulse,
    Report,
    file_clock,
    is_fresh,
    read_beat,
    silent_seconds,
)

FAST = 0.001
HOUR = 3600.0
IGNORE: Report = lambda stage, step, total: None  # noqa: E731


def test_a_run_in_training_tells_how_far_it_is(tmp_path: Path) -> None:
    """The first sign of life says who trains, later ones carry the last step, and the end leaves nothing behind."""
    told: list[tuple[str, int, int]] = []
    with Pulse(FAST, FAST) as pulse, pulse.of(tmp_path, lambda *step: told.append(step)) as heard:
        while (first := read_beat(tmp_path)) is None:
            pass
        heard("pretrain", 3, 40)
        while (beat := read_beat(tmp_path)) is None or beat.step == 0:
            pass
    assert first.pid == os.getpid()
    assert (beat.stage, beat.step, beat.total) == ("pretrain", 3, 40)
    assert told == [("pretrain", 3, 40)]
    assert list(tmp_path.iterdir()) == []


def test_a_process_has_one_thread_for_all_its_heartbeats(tmp_path: Path) -> None:
    """A thousand short runs start no thousand threads; a run whose block has ended is silent, the others go on."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    before = threading.active_count()
    with Pulse(FAST, FAST) as pulse, pulse.of(one, IGNORE):
        with pulse.of(other, IGNORE):
            while read_beat(one) is None or read_beat(other) is None:
                pass
            assert threading.active_count() == before + 1
        (one / "heartbeat.json").unlink()
        while read_beat(one) is None:
            pass
        assert list(other.iterdir()) == []
    assert threading.active_count() == before


def test_the_heartbeat_of_a_killed_process_goes_with_the_next_attempt(tmp_path: Path) -> None:
    """A run that is over before its first heartbeat leaves no old one that would say that it is trained."""
    (tmp_path / "heartbeat.json").write_text('{"host": "n2", "pid": 7}')
    with Pulse() as pulse, pulse.of(tmp_path, IGNORE):
        pass
    assert list(tmp_path.iterdir()) == []


def test_silence_is_measured_by_the_clock_that_dates_the_files(tmp_path: Path) -> None:
    """A machine whose clock is wrong by an hour takes no run for dead: file times are compared with file times."""
    assert silent_seconds(tmp_path, file_clock(tmp_path)) is None
    (tmp_path / "heartbeat.json").write_text("{}")
    silent = silent_seconds(tmp_path, file_clock(tmp_path))
    assert silent is not None and abs(silent) < HOUR / 2


def test_a_heartbeat_from_the_future_is_no_sign_of_life() -> None:
    """Once the file server's clock is set back by an hour, a dead run does not look alive for that hour."""
    assert is_fresh(STALE_SECONDS / 2)
    assert not is_fresh(STALE_SECONDS + 1)
    assert not is_fresh(-HOUR)
    assert not is_fresh(None)


class Bench:
    """A run's folder, and a listener to it, with two clocks in a test's hands: the listener's and the file server's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "heartbeat.json"
        self.own = 0.0
        self.server = 1e9
        self.listener = Listener(clock=lambda: self.own)

    def beat(self) -> None:
        self.file.write_text("{}")
        os.utime(self.file, (self.server, self.server))

    def after(self, seconds: float) -> None:
        self.own += seconds
        self.server += seconds

    @property
    def heard(self) -> bool:
        return self.listener.hears(self.folder, self.server)


def test_who_looks_once_goes_by_the_files(tmp_path: Path) -> None:
    """A heartbeat that was stale before anybody looked is known for it at the first look."""
    bench = Bench(tmp_path)
    assert not bench.heard
    bench.beat()
    bench.after(STALE_SECONDS + 1)
    assert not bench.heard


def test_a_clock_that_jumps_ends_no_run(tmp_path: Path) -> None:
    """The file server's clock is set by an hour, either way, in the middle: a run that goes on beating is heard."""
    bench = Bench(tmp_path)
    for jump in (0.0, HOUR, -2 * HOUR, 0.0):
        bench.server += jump
        for _ in range(20):
            bench.after(15.0)
            bench.beat()
            assert bench.heard


def test_a_clock_that_jumps_keeps_no_dead_run_alive(tmp_path: Path) -> None:
    """The clock is set back by an hour after the last heartbeat: the run is given up in time all the same."""
    bench = Bench(tmp_path)
    bench.beat()
    assert bench.heard
    bench.server -= HOUR
    bench.after(STALE_SECONDS - 1)
    assert bench.heard
    bench.after(2.0)
    assert not bench.heard


def test_a_damaged_heartbeat_is_none(tmp_path: Path) -> None:
    """What a crash of the machine left half-written does not break who looks."""
    (tmp_path / "heartbeat.json").write_text('{"host": "n')
    assert read_beat(tmp_path) is None
