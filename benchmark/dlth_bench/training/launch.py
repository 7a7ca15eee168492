"""The device, or the devices and processes, that a run is trained on."""

from __future__ import annotations

import os
from datetime import timedelta

from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.utilities.exceptions import MisconfigurationException

from dlth_bench.spec.errors import InputError

PATIENCE = timedelta(days=7)
"""How long a process waits for the others; one that died is noticed by whoever started them, not by a time limit."""


def launched(device: str, devices: int = 1) -> Fabric:
    """One device, or one of several processes that train together, each on a device of its own.

    Under ``torchrun`` the processes are there already. Else the first call starts the others, which run this process's
    very command, and later calls find them there.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        devices: of all machines together.

    Raises:
        InputError: there are fewer here.
    """
    if devices == 1:
        return Fabric(accelerator=device, devices=1)
    # Said and not guessed: Lightning would take a job on Slurm for one that has started all processes.
    torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    environment = TorchElasticEnvironment() if torchrun else LightningEnvironment()
    here = int(os.environ["LOCAL_WORLD_SIZE"]) if torchrun else devices
    backend = "gloo" if device == "cpu" else None
    strategy = DDPStrategy(
        process_group_backend=backend,
        timeout=PATIENCE,
        # Buffers are the same everywhere: batch norm, queues and centres see the samples of all processes.
        broadcast_buffers=False,
        # MAE's encoder has a weight that nothing uses.
        find_unused_parameters=True,
    )
    try:
        fabric = Fabric(
            accelerator=device, devices=here, num_nodes=devices // here, strategy=strategy, plugins=[environment]
        )
    except MisconfigurationException as error:
        raise InputError(f"{devices} devices: {' '.join(str(error).split())}") from None
    fabric.launch()
    return fabric
