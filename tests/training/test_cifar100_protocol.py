"""The protocol cifar100-ssl: recipes hold to the published numbers, and every config trains on files of its kind."""

from __future__ import annotations

import math

import pytest
from cifar_files import write_dataset

from dlth_bench.datasets.cifar import CIFAR100
from dlth_bench.datasets.parquet import SmallImages
from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.recipe import Duration, TrainSpec
from dlth_bench.runs.run import Run
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.optimizers import learning_rate
from dlth_bench.training.train_run import train_run

pytest.importorskip("pyarrow")

PUBLISHED = {  # optimizer, peak learning rate, weight decay
    "barlow-twins": ("lars", 0.3, 1e-4),
    "byol": ("lars", 1.0, 1e-5),
    "dino": ("lars", 0.3, 1e-6),
    "moco-v2-plus": ("sgd", 0.3, 1e-4),
    "nnclr": ("lars", 0.4, 1e-5),
    "simclr": ("lars", 0.4, 1e-5),
    "simsiam": ("sgd", 0.5, 1e-5),
    "swav": ("lars", 0.6, 1e-6),
    "vicreg": ("lars", 0.3, 1e-4),
}
"""solo-learn's bash_files/pretrain/cifar at fca55e3."""

EPOCH = 50_000 // 256


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return find_protocol("cifar100-ssl@1")


def test_optimizers_are_the_published_ones(protocol: Protocol) -> None:
    """Optimizer, peak rate and weight decay of each method."""
    found = {
        config.name: (
            config.train.optimizer.kind,
            config.train.optimizer.lr,
            config.train.optimizer.weight_decay,
        )
        for config in protocol.configs
    }
    assert found == PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_rates_at_chosen_epochs(protocol: Protocol, name: str) -> None:
    """Ten epochs of linear warm-up from 3e-3, then half a cosine to 0 (SwAV: 6e-4) at epoch 1000."""
    train, peak = protocol.config(name).train, PUBLISHED[name][1]
    end = 6e-4 if name == "swav" else 0.0
    assert train.duration.in_steps(50_000, train.batch_size) == 1000 * EPOCH
    for epoch in (0, 5, 10, 100, 505, 900, 1000):
        cosine = end + (peak - end) * (1 + math.cos(math.pi * (epoch - 10) / 990)) / 2
        expected = 3e-3 + (peak - 3e-3) * epoch / 10 if epoch < 10 else cosine
        assert learning_rate(train.optimizer, Moment(epoch * EPOCH, 1000 * EPOCH)) == pytest.approx(expected)


def test_backbone_is_resnet18(protocol: Protocol) -> None:
    """All configs share a ResNet-18 of 11.17 million parameters and 512 features."""
    assert len({config.backbone.model_copy(update={"zero_init_residual": False}) for config in protocol.configs}) == 1
    backbone = build_backbone(protocol.configs[0].backbone, 32, 3)
    assert backbone.num_features == 512
    assert sum(parameter.numel() for parameter in backbone.parameters()) == 11_168_832


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SmallImages:
    return SmallImages(CIFAR100, write_dataset(tmp_path_factory.mktemp("cifar100"), train=8, test=2, classes=4))


def _shortened(config: Config) -> Config:
    """The config on a thin backbone, for two updates of eight images, with a probe of four."""
    train = config.train.model_copy(update={"duration": Duration(steps=2), "batch_size": 8})
    assert config.evaluation is not None
    probe = TrainSpec(duration=Duration(steps=4), batch_size=8, optimizer=config.evaluation.train.optimizer)
    return config.model_copy(
        update={
            "backbone": config.backbone.model_copy(update={"widths": (8, 8, 16, 16)}),
            "train": train,
            "evaluation": config.evaluation.model_copy(update={"train": probe}),
        }
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_config_trains_on_files_like_the_hub_s(protocol: Protocol, dataset: SmallImages, name: str) -> None:
    """From Parquet to accuracy: each method takes its updates with finite losses, and its probe is scored."""
    classes = dataset.catalog.ids[:4]
    run = Run(data=protocol.data, config=_shortened(protocol.config(name)), class_ids=classes, seed=0)
    result = train_run(run, dataset, device="cpu")
    assert (result.status, result.reason) == ("finished", "")
    assert len(result.curves.pretrain_loss) == 2
    assert len(result.class_accuracy) == 4
    assert result.manifest_digest == dataset.manifest_digest
