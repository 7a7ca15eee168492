"""Data-parallel training: one run at a time on several devices, by the processes of `harness.together`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from dlth_bench.engines.attempt import AttemptOptions, attempt, failed
from dlth_bench.engines.engine import Event, Finished, Progressed
from dlth_bench.engines.followers import leave
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Busy, Store


@dataclass
class DataParallelEngine:
    """Trains runs one after the other, as the first of the processes that train them together.

    A run that breaks down ends it all: the other processes are then somewhere in that run, and cannot be called back.
    """

    store: Store
    options: AttemptOptions

    def run_all(self, runs: Sequence[Run]) -> Iterator[Event]:
        """Train all runs; yields progress and, once a run, its result. Runs that another process trains are
        skipped."""
        for run in runs:
            events: SimpleQueue[Event | None] = SimpleQueue()
            # Trained in a thread of its own, so that this one can draw the progress and hear an interrupt.
            threading.Thread(target=self._attempt, args=(run, events), daemon=True).start()
            while (event := events.get()) is not None:
                yield event
                if isinstance(event, Finished) and event.result.status == "failed":
                    leave()
                    return

    def _attempt(self, run: Run, events: SimpleQueue[Event | None]) -> None:
        from dlth_bench.training.environment import prepare_process  # torch: slow to import

        prepare_process()
        try:
            result = attempt(
                run,
                self.store,
                wait_seconds=0.0,
                report=lambda stage, step, total: events.put(Progressed(run, stage, step, total)),
                **self.options,
            )
        except Busy:
            pass  # another command trains it, and stores it
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread that waits must hear of it
            events.put(Finished(run, failed(run, f"{type(error).__name__}: {error}")))
        else:
            events.put(Finished(run, result))
        events.put(None)
