"""Options of engines: what is wrong is said before anything is handed in."""

from __future__ import annotations

import pytest

from dlth_bench.engines.ray import ray_options
from dlth_bench.engines.slurm import slurm_options
from dlth_bench.util.errors import InputError


def test_options_become_sbatch_parameters() -> None:
    """What a user writes is what sbatch is told."""
    texts = ["partition=gpu", "time=1-12:30:00", "gpus=1", "cpus=8", "mem=1.5", "setup=module load cuda",
             "setup=source env/bin/activate", "sbatch.reservation=icml", "grace=300", "at-once=2"]  # fmt: skip
    parameters = slurm_options(texts, workers=16).parameters("slurm-x")
    assert parameters == {
        "job_name": "slurm-x",
        "time": 36 * 60 + 30,
        "signal_delay_s": 300,
        "gpus_per_node": 1,
        "cpus_per_task": 8,
        "mem": "1536M",
        "array_parallelism": 16,
        "setup": ["module load cuda", "source env/bin/activate"],
        "additional_parameters": {"requeue": True, "partition": "gpu", "reservation": "icml"},
    }


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("90:30", 91), ("2:00:00", 120), ("1-0", 1440), ("1-2:30", 1590), ("0-2:30:01", 151)],
)
def test_time_limits_are_read_as_sbatch_reads_them(text: str, minutes: int) -> None:
    assert slurm_options([f"time={text}"]).minutes == minutes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("partiton=gpu", "slurm has no option 'partiton'; did you mean 'partition'?"),
        ("partition", "'partition' is not key=value"),
        ("time=soon", "time='soon' is not a time limit"),
        ("time=3", "a time limit of 3 min leaves no time to train"),
        ("gpus=half", "gpus='half' is not a whole number"),
        ("parallel=0", "parallel='0' is not a whole number of at least 1"),
        ("pack=nan", "pack='nan' is not a number of at least 0"),
        ("sbatch.array=1-3", "sbatch.array is set by the engine itself"),
        ("sbatch.Array\n=1", "is not the long name of an sbatch option"),
        ("setup=a\nb", "setup has a character that cannot be printed"),
    ],
)
def test_wrong_slurm_options_are_refused(text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        slurm_options([text])
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "workers", "told"),
    [
        ("gpu=1", None, "ray has no option 'gpu'; did you mean 'gpus'?"),
        ("gpus=2", None, "a run trains on one GPU or a part of one"),
        ("gpus=-1", None, "gpus='-1' is not a number of at least 0"),
        ("address=ray://head:10001", 4, "a running Ray cluster trains as many runs at once"),
    ],
)
def test_wrong_ray_options_are_refused(text: str, workers: int | None, told: str) -> None:
    with pytest.raises(InputError) as caught:
        ray_options([text], workers)
    assert told in str(caught.value)
