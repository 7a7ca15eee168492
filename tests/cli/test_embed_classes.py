"""``dlth-bench embed-classes``: mean image features of the classes, from runs that kept their weights or from timm."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from command_line import refused, run
from safetensors.torch import load_file, save_file

from dlth_bench.datasets.registry import image_dataset
from dlth_bench.engines.local import LocalEngine
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Store
from dlth_bench.training.evaluation import extract_features
from dlth_bench.training.methods import build_method
from dlth_bench.training.views.augment import Pixels
from tiny_grid import CLASSES

GLYPHS = image_dataset("glyphs")


@pytest.fixture(scope="module")
def store(tiny: Protocol, tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The tiny protocol's MoCo and MAE on four letters, one seed, trained by the command with weights kept."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "mine.txt").write_text("\n".join(CLASSES))
    options = ("--configs", "moco,mae", "--seeds", 0, "--device", "cpu", "--workers", 1, "--out", folder / "runs")
    run("run", "--subset", folder / "mine.txt", "--protocol", tiny_file, *options, "--keep-weights")
    return Store(folder / "runs")


def of(protocol: Protocol, config: str) -> Run:
    return Run(data=protocol.data, config=protocol.config(config), class_ids=CLASSES, seed=0)


@pytest.mark.parametrize("config", ["moco", "mae"])
def test_features_of_a_stored_run(tiny: Protocol, store: Store, tmp_path: Path, config: str) -> None:
    """Rows are the plain means of the pretrained encoder's features over the validation images of all classes."""
    stored = of(tiny, config)
    weights = store.folder(stored.digest) / "encoder.safetensors"
    assert [path.name for path in weights.parent.glob("*.safetensors")] == ["encoder.safetensors"]
    output = tmp_path / "features.npy"
    printed = run("embed-classes", "--run", stored.digest, "--out", store.root, "--device", "cpu", "-o", output).output
    features = np.load(output)
    assert printed.strip() == f"{output}: 246 classes of glyphs by {features.shape[1]} features"
    pixels = Pixels(32, tiny.data.pixel_mean, tiny.data.pixel_std)
    encoder = build_method(stored.config, pixels=pixels, classes=4).encoder
    encoder.load_state_dict(load_file(weights))
    for row in (0, 100, 245):
        images = torch.from_numpy(GLYPHS.load("val", [GLYPHS.catalog.ids[row]]).images)
        expected = extract_features(encoder, images, pixels, "pooled").mean(0)
        np.testing.assert_allclose(features[row], expected.numpy(), rtol=1e-4, atol=1e-5)
    about = json.loads((tmp_path / "features.json").read_text())
    assert (features.dtype, features.shape[0]) == (np.float32, 246)
    assert (about["run"], about["config"], about["seed"]) == (stored.digest, config, 0)
    assert about["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    run("select", "sec", "-n", 12, "--embeddings", output, "-o", tmp_path / "sec.txt")
    assert f"# input features.npy: sha256 {about['sha256']}\n" in (tmp_path / "sec.txt").read_text()


def test_the_kept_encoder_is_the_one_before_fine_tuning(tiny: Protocol, store: Store) -> None:
    """Fine-tuning drops the encoder's last norm; what is kept has it still, and it is not as it was drawn."""
    stored = of(tiny, "mae")
    weights = load_file(store.folder(stored.digest) / "encoder.safetensors")
    assert "norm.weight" in weights
    assert not torch.equal(weights["norm.weight"], torch.ones_like(weights["norm.weight"]))


def test_keeping_weights_changes_no_number(tiny: Protocol, store: Store, tmp_path: Path) -> None:
    """A run trained without the option ends in the same accuracies and leaves no weights, and says so when asked."""
    other = Store(tmp_path / "runs")
    stored = of(tiny, "moco")
    list(LocalEngine(other, workers=1, device="cpu").run_all([stored]))
    kept, plain = store.result(stored.digest), other.result(stored.digest)
    assert kept is not None and plain is not None
    assert (kept.class_accuracy, kept.curves) == (plain.class_accuracy, plain.curves)
    assert list(other.root.rglob("*.safetensors")) == []
    error = refused("embed-classes", "--run", stored.digest, "--out", other.root, "-o", tmp_path / "f.npy")
    assert "encoder.safetensors: no such file: the run was trained without --keep-weights" in str(error)


def test_stored_runs_without_weights_are_counted(
    tiny_file: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking for the weights of finished runs that have none trains nothing and says how to get them."""
    monkeypatch.setattr(LocalEngine, "run_all", None)
    (tmp_path / "mine.txt").write_text("\n".join(CLASSES))
    lost = next(store.root.glob("*/*/encoder.safetensors"))
    moved = lost.rename(tmp_path / "aside")
    options = ("--configs", "moco,mae", "--seeds", 0, "--out", store.root, "--keep-weights")
    printed = run("run", "--subset", tmp_path / "mine.txt", "--protocol", tiny_file, *options).output
    moved.rename(lost)
    assert "1 stored runs were trained without --keep-weights" in " ".join(printed.split())


def test_damaged_weights(tiny: Protocol, store: Store, tmp_path: Path) -> None:
    """Weights of another run, or no weights at all, are not taken for this run's."""
    copy = Store(tmp_path / "runs")
    moco, mae = of(tiny, "moco"), of(tiny, "mae")
    for each in (moco, mae):
        copy.folder(each.digest).mkdir(parents=True)
        for path in store.folder(each.digest).iterdir():
            (copy.folder(each.digest) / path.name).write_bytes(path.read_bytes())
    weights = copy.folder(moco.digest) / "encoder.safetensors"
    for content in ((copy.folder(mae.digest) / "encoder.safetensors").read_bytes(), b"broken"):
        weights.write_bytes(content)
        error = refused("embed-classes", "--run", moco.digest, "--out", copy.root, "-o", tmp_path / "f.npy")
        assert "encoder.safetensors: is not the encoder of this run" in str(error)
    assert not (tmp_path / "f.npy").exists()


@pytest.mark.slow
@torch.inference_mode()
def test_features_of_a_timm_model_on_glyphs(tmp_path: Path) -> None:
    """Every glyph goes whole, as three equal channels, through the model; rows are the means of what comes out."""
    torch.manual_seed(0)
    model = timm.create_model("test_resnet").eval()
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    output = tmp_path / "features.npy"
    options = ("--weights", tmp_path / "w.safetensors", "--device", "cpu", "--workers", 0)
    run("embed-classes", "--model", "timm:test_resnet", "-d", "glyphs", *options, "-o", output)
    features = np.load(output)
    images = torch.from_numpy(GLYPHS.load("val", ["U+0041"]).images)
    large = torch.nn.functional.interpolate(images.float(), 160, mode="bilinear", antialias=True).round().clamp(0, 255)
    pixels = (large.expand(-1, 3, -1, -1) / 255 - 0.5) / 0.5
    expected = model.forward_head(model.forward_features(pixels), pre_logits=True).mean(0)
    row = GLYPHS.catalog.ids.index("U+0041")
    np.testing.assert_allclose(features[row], expected.numpy(), rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "f.npy"], "give one of --run, --model; none given"),
        (["-o", "f.npy", "--run", "a", "--model", "b"], "give one of --run, --model; both given"),
        (["-o", "f.csv", "--run", "a"], "f.csv: must end in .npy"),
        (["-o", "f.npy", "--run", "a", "-d", "glyphs"], "--dataset means nothing to --run; it is an option of --model"),
        (["-o", "f.npy", "--run", "a"], "runs: holds no run 'a'"),
        (["-o", "f.npy", "--model", "timm:test_vit"], "--model needs --dataset, glyphs or imagenet"),
        (["-o", "f.npy", "--model", "timm:test_vit", "-d", "glyphs", "--data-dir", "."], "--data-dir means nothing to"),
        (["-o", "f.npy", "--model", "timm:test_vit", "-d", "imagenet"], "--data-dir is needed"),
    ],
)
def test_bad_input(arguments: list[object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not go together is said before anything is loaded, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert words in str(refused("embed-classes", *arguments))
    assert list(tmp_path.iterdir()) == []
