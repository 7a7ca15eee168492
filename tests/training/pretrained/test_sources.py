"""Pretrained models by name: what is loaded, with which preprocessing, and what is said where it cannot be."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from huggingface_hub.errors import LocalEntryNotFoundError
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config

from dlth_bench.training.pretrained import models as timm_source
from dlth_bench.training.pretrained.models import load_classifier, load_encoder
from dlth_bench.util.errors import InputError

IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of timm's smallest ResNet and of torchvision's smallest network."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_file(timm.create_model("test_resnet").state_dict(), folder / "resnet.safetensors")
    save_file(torchvision.models.squeezenet1_1(weights=None).state_dict(), folder / "squeezenet.safetensors")
    return folder


@torch.inference_mode()
def test_timm_model_is_as_timm_makes_it(saved: Path) -> None:
    """Weights, scores, features and preprocessing are timm's own."""
    ours = load_classifier("timm:test_resnet", saved / "resnet.safetensors")
    theirs = timm.create_model("test_resnet", checkpoint_path=saved / "resnet.safetensors").eval()
    transform = create_transform(**resolve_model_data_config(theirs), is_training=False)
    pixels = ours.transform(IMAGE)[None]
    assert torch.equal(pixels, transform(IMAGE)[None])
    assert torch.equal(ours.module(pixels), theirs(pixels))
    encoder = load_encoder("timm:test_resnet", saved / "resnet.safetensors")
    pooled = theirs.forward_head(theirs.forward_features(pixels), pre_logits=True)
    torch.testing.assert_close(encoder.module(pixels), pooled)
    assert ours.weights.startswith("file resnet.safetensors, sha256 ")


def test_whole_image_is_not_cropped(saved: Path) -> None:
    """A glyph that reaches the border is still there after preprocessing."""
    image = np.zeros((32, 32), dtype=np.uint8)
    image[:, 0] = 255
    picture = Image.fromarray(image).convert("RGB")
    whole = load_encoder("timm:test_resnet", saved / "resnet.safetensors", whole_image=True).transform(picture)
    usual = load_encoder("timm:test_resnet", saved / "resnet.safetensors").transform(picture)
    assert whole.shape == usual.shape == (3, 160, 160)
    assert whole[:, :, 0].mean() > usual[:, :, 0].mean() + 0.5


@torch.inference_mode()
def test_torchvision_model_is_as_torchvision_makes_it(saved: Path) -> None:
    """Scores and preprocessing are torchvision's own, and default weights go by their name."""
    ours = load_classifier("torchvision:squeezenet1_1", saved / "squeezenet.safetensors")
    assert ours.name == "torchvision:squeezenet1_1:IMAGENET1K_V1"
    pixels = ours.transform(IMAGE)[None]
    assert torch.equal(pixels, torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1.transforms()(IMAGE)[None])
    assert ours.module(pixels).shape == (1, 1000)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return Path.write_text, (self.path, "ran")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("model", ["timm:test_resnet", "torchvision:squeezenet1_1"])
def test_no_weights_are_unpickled(tmp_path: Path, model: str, name: str) -> None:
    """A pickle is refused by whatever name, and nothing in it runs."""
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(InputError, match=f"{name}: is not a .safetensors file, the only format"):
        load_classifier(model, tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:resnt50", r"timm has no model 'resnt50'; did you mean 'timm:resnet50'\?"),
        ("timm:resnet50.a9_in1k", r"timm has no weights 'resnet50.a9_in1k'; there are resnet50.a1_in1k, "),
        ("timm:hf-hub:some/one", "timm has no model 'hf-hub:some/one'"),
        ("torchvision:resnet5", r"torchvision has no model 'resnet5'; did you mean 'torchvision:resnet50'\?"),
        ("torchvision:resnet50:V9", "torchvision has no weights 'V9' of resnet50; there are IMAGENET1K_V1, "),
        ("resnet50", r"'resnet50' is neither timm:NAME nor torchvision:NAME\[:WEIGHTS\]"),
        ("timm:", "neither timm:NAME nor"),
        ("timm:test_vit", r"resnet.safetensors: does not fit timm:test_vit: .*Missing key"),
        ("torchvision:squeezenet1_1", "resnet.safetensors: does not fit torchvision:squeezenet1_1"),
    ],
)
def test_wrong_names(saved: Path, name: str, words: str) -> None:
    """A mistyped name gets the right one, and weights of another model are not half loaded."""
    with pytest.raises(InputError, match=words) as caught:
        load_classifier(name, saved / "resnet.safetensors")
    assert str(caught.value).isprintable()


def test_features_of_torchvision_models_are_timms(saved: Path) -> None:
    """The same weights are in timm, and the message says how they are called."""
    with pytest.raises(InputError, match=r"timm:resnet50\.tv2_in1k"):
        load_encoder("torchvision:resnet50", saved / "resnet.safetensors")


def test_no_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the error says what was wanted and how to do without."""

    def fail(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("not in the cache\n\nand the Hub cannot be reached")

    monkeypatch.setattr(timm_source, "hf_hub_download", fail)
    with pytest.raises(InputError, match="timm:test_resnet cannot be downloaded, give --weights FILE") as caught:
        load_classifier("timm:test_resnet")
    assert str(caught.value).isprintable()
