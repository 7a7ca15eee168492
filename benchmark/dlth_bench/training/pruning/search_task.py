"""The task of a search with a spec of its own: which config it trains, on which samples, with which labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from dlth_bench.spec.protocol import Config
from dlth_bench.spec.search import SearchData, SearchSpec
from dlth_bench.training.labelled_part import UNLABELLED, visible_labels
from dlth_bench.training.pruning.limited_data import LimitedData, limited_data
from dlth_bench.training.pruning.search import LevelTrainer, NewMethod
from dlth_bench.training.stage import Stage


@dataclass(frozen=True, eq=False)
class SearchTask:
    """What a search trains, in place of its config.

    Attributes:
        config: the config with the method and the training of the search, without pruning.
        classes: how many its classifier has.
        data: what it sees of the run's samples.
        labels: int64, of all of the run's samples, -1 of those without; as ``data`` has them, less those hidden by
            semi-supervised training. On the CPU.
    """

    config: Config
    classes: int
    data: LimitedData
    labels: Tensor

    def trainer(self, ticket: LevelTrainer, new_method: NewMethod) -> LevelTrainer:
        """How its levels are trained, where ``ticket`` is how the ticket is.

        Args:
            new_method: the method of its config with weights from a named stream.
        """
        template = ticket.dense
        return replace(
            ticket,
            dense=Stage(
                template.name,
                new_method("init"),
                template.samples,
                self.labels.to(template.labels.device),
                self.config.train,
                template.seed,
                only=self.data.positions,
            ),
            new_method=new_method,
            val_labels=self.data.of_kept_classes(ticket.val_labels),
        )

    def facts(self, class_ids: tuple[str, ...], *, images: int, flops: float) -> SearchData:
        """What a result says of it.

        Args:
            class_ids: of the run.
            images, flops: of its trainings.
        """
        kept = () if self.data.kept is None else tuple(class_ids[position] for position in self.data.kept.tolist())
        unused = self.config.method.kind in {"rotnet", "exemplar"}
        return SearchData(
            samples=self.data.samples,
            classes=self.classes,
            class_ids=kept,
            labelled=0 if unused else int((self.labels != UNLABELLED).sum()),
            permuted=self.data.permuted,
            images=images,
            flops=flops,
            digest=self.data.digest(self.labels),
        )


def search_config(config: Config, spec: SearchSpec) -> Config:
    """The config with the method and the training of its search, without pruning.

    Raises:
        TypeError: its tickets are not trained with labels.
    """
    if config.method.kind != "supervised":
        raise TypeError("the ticket of a search with a spec of its own is trained with labels")
    changed = {"method": spec.method_for(config.method), "train": spec.train or config.train, "pruning": None}
    return config.model_copy(update=changed)


def search_task(config: Config, spec: SearchSpec, labels: Tensor, classes: int, seed: int) -> SearchTask:
    """The task of a run's search.

    Args:
        labels: int64 (samples,), of the run's training samples.
        classes: how many the run has.
    """
    own = search_config(config, spec)
    data = limited_data(spec, labels.cpu(), classes, seed)
    return SearchTask(own, spec.classes(classes), data, visible_labels(own.method, data.labels, seed))
