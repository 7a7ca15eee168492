"""Every test here computes on one thread, so that times and rounding do not depend on the machine's load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dlth_bench.training.environment import quiet_libraries


def pytest_configure(config: pytest.Config) -> None:
    # pytest resets the warning filters for each test, so those of quiet_libraries() are repeated as its own.
    config.addinivalue_line("filterwarnings", "ignore:.*weight_norm.*:FutureWarning")
    config.addinivalue_line("filterwarnings", "ignore::UserWarning:lightning.*")


@pytest.fixture(autouse=True, scope="session")
def _one_quiet_thread() -> Iterator[None]:
    quiet_libraries()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _fixed_global_seed() -> None:
    torch.manual_seed(0)
