"""Training that does nothing, in every Python that starts with this folder on its PYTHONPATH.

Python imports this module when it starts. The training of a run is replaced by a made-up result, in whatever process
an engine trains; all else is as it is: claim, attempt, heartbeat, result file, and word to the command that waits. The
result tells what an honest one has no use for: by ``cost.device_seconds`` the processor time of its process so far, by
``reason`` that process.

    NO_TRAINING_SECONDS   how long a run pretends to train; 0
    NO_TRAINING_LOG       a file that gets a line a training that begins: the run's digest, and whether it had a result
    NO_TRAINING_NO_TORCH  set: processes do not load torch either
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import socket
import sys
import time
import types
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

REPLACED = "dlth_bench.engines.attempt"


def trained(run: Any, folder: Path, **settings: object) -> Any:
    """In place of training: a finished result at once."""
    from dlth_bench.protocols.protocol import Cost
    from dlth_bench.runs.run import Result

    log = os.environ.get("NO_TRAINING_LOG")
    if log:
        with Path(log).open("a") as file:
            file.write(f"{folder.name} {(folder / 'result.json').exists()}\n")
    time.sleep(float(os.environ.get("NO_TRAINING_SECONDS", "0")))
    cost = Cost(images=1, flops=1.0, device_seconds=time.process_time())
    process = f"{socket.gethostname()} {os.getpid()}"
    return Result(run=run.digest, config=run.config.name, seed=run.seed, status="finished", accuracy=0.5, cost=cost,
                  reason=process)  # fmt: skip


class Replace(importlib.abc.MetaPathFinder):
    """Puts that in place when the module that trains is first imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != REPLACED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_replace(module: types.ModuleType) -> None:
            load(module)
            module._trained = trained  # type: ignore[attr-defined]

        spec.loader.exec_module = load_and_replace  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Replace())
if "NO_TRAINING_NO_TORCH" in os.environ:
    torch = types.ModuleType("torch")
    torch.set_num_threads = lambda count: None  # type: ignore[attr-defined]
    sys.modules["torch"] = torch
    for name in ("lightning", "lightning.fabric"):  # which load it
        sys.modules[name] = types.ModuleType(name)
