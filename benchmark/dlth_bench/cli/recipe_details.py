"""What ``protocols show --details`` prints of each config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from dlth_bench.datasets.base import TextDataset
from dlth_bench.datasets.location import dataset_folder
from dlth_bench.datasets.registry import class_catalog, dataset_named, hub_files, published_train_images
from dlth_bench.leaderboard.number_text import count
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Config, Protocol
from dlth_bench.spec.quoting import printable

if TYPE_CHECKING:  # it imports torch
    from dlth_bench.training.recipe_facts import RecipeFacts, StageFacts


def recipe_details(protocol: Protocol) -> list[RecipeFacts]:
    """The facts of every config on the protocol's full data; imports torch.

    Raises:
        InputError: the number of the dataset's training images is not known.
    """
    from dlth_bench.training.recipe_facts import recipe_facts

    data, classes = protocol.data, len(class_catalog(protocol.data.dataset))
    samples = published_train_images(data.dataset)
    if data.images_per_class is not None:
        samples = classes * data.images_per_class
    if samples is None:
        raise InputError(f"the number of training images of {data.dataset} is not known")
    return [
        recipe_facts(config, data, samples=samples, classes=classes, **_input_size(config, data.dataset))
        for config in protocol.configs
    ]


def _input_size(config: Config, name: str) -> dict[str, int]:
    """What a network's size depends on: the side of images, or the vocabulary of texts (0 where they are not here)."""
    if config.eval_view is not None:
        return {"image_size": 0}
    if config.method.kind == "text" and dataset_folder(name) is None and hub_files(name).cached() is None:
        return {"image_size": 0, "vocabulary": 0}  # showing a protocol downloads nothing
    dataset = dataset_named(name)
    if isinstance(dataset, TextDataset):
        return {"image_size": 0, "vocabulary": dataset.vocabulary_size}
    return {"image_size": dataset.image_size}


def print_details(facts: list[RecipeFacts], console: Console) -> None:
    """One paragraph a config."""
    for fact in facts:
        console.print()
        console.print(Text(printable(fact.config), style="bold"))
        encoder, trained = count(fact.encoder_parameters), count(fact.trained_parameters)
        lines = [f"parameters: {encoder} evaluated, {trained} trained{_embeddings(fact)}", *fact.views]
        lines += [f"training: {line}" for line in _stage(fact.train)]
        if fact.evaluation is not None:
            lines += [f"evaluation: {line}" for line in _stage(fact.evaluation)]
        lines += [f"note: {printable(note, 500)}" for note in fact.notes]
        for line in lines:
            console.print(Text(f"  {line}"), soft_wrap=True)


def _embeddings(fact: RecipeFacts) -> str:
    """What the numbers leave out where the vocabulary is not known."""
    if fact.values_a_word is None:
        return ""
    return f", and {fact.values_a_word} for each word of the training texts, which are not at hand"


def _stage(stage: StageFacts) -> list[str]:
    rates = ", ".join(f"{epoch}: {rate:.4g}" for epoch, rate in stage.rates.items())
    steps = f"{stage.epoch_steps:,} steps an epoch of batch {stage.batch_size:,}, {stage.steps:,} in all"
    return [steps, f"learning rate by epoch {rates}"]
