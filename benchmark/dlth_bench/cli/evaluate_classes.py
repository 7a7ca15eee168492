"""``dlth-bench evaluate-classes``: per-class accuracies, the input of the policies that go by difficulty."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from dlth_bench.cli.shared import options
from dlth_bench.cli.shared.pretrained import (
    Reading,
    RunOption,
    StoreFolderOption,
    batches_for,
    image_files,
    torch_device,
)
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.protocols.protocol_file import DEFAULT_PROTOCOL, find_protocol, reference_results_path
from dlth_bench.runs.plan import chosen_configs
from dlth_bench.runs.store import DEFAULT_STORE, Store, read_stored_run
from dlth_bench.selection.accuracies import mean_class_accuracies, read_results
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import write_atomically
from dlth_bench.util.text import percent, printable


@options.with_groups
def evaluate_classes(
    output: Annotated[Path, typer.Option("--output", "-o", help="The CSV to write.")],
    config: Annotated[str | None, typer.Option("--config", "-c", help="A protocol's config, on all classes.")] = None,
    run: RunOption = None,
    model: Annotated[str | None, typer.Option("--model", help="timm:NAME or torchvision:NAME[:WEIGHTS].")] = None,
    protocol: options.Protocol = DEFAULT_PROTOCOL,
    results: Annotated[
        Path | None,
        typer.Option("--results", help="--config: results on all classes, one JSON a line. Default: the shipped."),
    ] = None,
    out: StoreFolderOption = DEFAULT_STORE,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="--model: imagenet.")] = None,
    reading: Reading = Reading(),
) -> None:
    """Write the accuracy on each class of a config (mean over seeds), a stored run, or a pretrained model.

    A model is evaluated on the validation images of ImageNet with its own preprocessing; output k is taken for the
    k-th WordNet ID in sorted order. Columns: class,accuracy, or for a model index,wnid,correct,total.

    Example: dlth-bench evaluate-classes --config mae-finetune -o classes.csv

    Example: dlth-bench evaluate-classes --run 56738a -o classes.csv

    Example: dlth-bench evaluate-classes --model timm:vgg19 --data-dir . -o a.csv
    """
    given = {"--results": results, "--dataset": dataset, "--data-dir": reading.data_dir, "--weights": reading.weights}
    _check_choice({"--config": config, "--run": run, "--model": model}, given)
    if config is not None:
        _write_config(config, protocol, results, output)
    elif run is not None:
        _write_run(run, Store(out), output)
    elif model is not None:
        _write_model(model, dataset or "imagenet", reading, output)


def _check_choice(sources: Mapping[str, str | None], options: Mapping[str, object]) -> None:
    """Raise InputError unless one source is given, and only options that it understands."""
    chosen = [name for name, value in sources.items() if value is not None]
    if len(chosen) != 1:
        raise InputError(f"give one of {', '.join(sources)}; {' and '.join(chosen) or 'none'} given")
    for option, value in options.items():
        owner = "--config" if option == "--results" else "--model"
        if value is not None and owner != chosen[0]:
            raise InputError(f"{option} means nothing to {chosen[0]}; it is an option of {owner}")


def _write_config(config: str, protocol: str, results: Path | None, output: Path) -> None:
    spec = find_protocol(protocol)
    chosen_configs(spec, [config])
    found = read_results(results or reference_results_path(spec))
    means = mean_class_accuracies(spec, config, found, class_catalog(spec.data.dataset))
    _write_accuracies(means, output)
    typer.echo(f"{printable(str(output))}: {len(means)} classes")


def _write_run(prefix: str, store: Store, output: Path) -> None:
    stored = read_stored_run(store.folder(store.find(prefix)))
    accuracies = stored.class_accuracies()
    _write_accuracies(accuracies, output)
    dataset = stored.run.data.dataset
    of = f"{len(accuracies)} of {len(class_catalog(dataset))} classes of {dataset}"
    typer.echo(f"{printable(str(output))}: {of}, {stored.run.label}, top-1 {percent(stored.result.accuracy)} %")


def _write_accuracies(accuracies: Mapping[str, float], output: Path) -> None:
    rows = "".join(f"{class_id},{accuracy:.6f}\n" for class_id, accuracy in accuracies.items())
    write_atomically(output, f"class,accuracy\n{rows}".encode())


def _write_model(name: str, dataset: str, reading: Reading, output: Path) -> None:
    catalog = class_catalog(dataset)
    if dataset != "imagenet":
        raise InputError(f"--model is for classifiers of imagenet, none is known of {dataset}; take --config or --run")
    files = image_files(reading.data_dir, catalog)
    device = torch_device(reading.device)
    from dlth_bench.training.pretrained.images import FileImages, count_correct
    from dlth_bench.training.pretrained.models import load_classifier

    model = load_classifier(name, reading.weights)
    module = model.module.to(device)
    with batches_for(model, FileImages.of(files), reading) as (batches, unreadable):
        counts = count_correct(module, batches, catalog, device)
    pairs = zip(catalog.ids, counts.correct.tolist(), counts.total.tolist(), strict=True)
    rows = "".join(f"{index},{wnid},{right},{of}\n" for index, (wnid, right, of) in enumerate(pairs))
    write_atomically(output, f"index,wnid,correct,total\n{rows}".encode())
    right, total = int(counts.correct.sum()), int(counts.total.sum())
    told = f"{model.name} ({printable(model.weights)}), top-1 {percent(right / total)} % ({right} of {total} images)"
    skipped = f", {len(unreadable.names)} unreadable" if unreadable.names else ""
    typer.echo(f"{printable(str(output))}: {len(catalog)} classes, {told}{skipped}")
