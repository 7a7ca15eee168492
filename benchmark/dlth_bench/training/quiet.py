"""Silence what the libraries under the loop print of themselves; our own progress is all a user should see."""

from __future__ import annotations

import logging
import warnings


def quiet_libraries() -> None:
    """Lower Lightning's chatter to errors and drop warnings that a user can do nothing about."""
    import lightning.fabric  # noqa: F401 - it sets the level of its chatter when it is imported

    for name in ("lightning.fabric", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"lightning.*")
    # Of several processes: an option's new name, and that most networks have no unused parameters.
    warnings.filterwarnings("ignore", message=r".*broadcast_buffers.*")
    warnings.filterwarnings("ignore", message=r".*find_unused_parameters.*")
    # lightly's DINO head uses torch's first weight_norm, as the original does.
    warnings.filterwarnings("ignore", category=FutureWarning, message=r".*weight_norm.*")
