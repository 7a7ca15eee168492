"""A protocol: the frozen grid of configs, its data, its rule for subsets and its full-data reference."""

from __future__ import annotations

import datetime
from statistics import fmean, stdev
from typing import Annotated, Self

from pydantic import Field, model_validator

from dlth_bench.datasets.dataset import DataSpec, Slug
from dlth_bench.protocols.measurements import ACCURACY, MeasurementSpec, Metric, measurement_problem
from dlth_bench.protocols.methods import METHODS, EvaluationSpec, MethodSpec
from dlth_bench.protocols.recipe import Backbone, EvalViewSpec, TrainSpec, Unit
from dlth_bench.protocols.tickets import FLOW_SCORES, PruningSpec, RemovalSpec
from dlth_bench.subsets.subset import SubsetRule
from dlth_bench.util.model import Frozen, digest_of, inconsistent


class Cost(Frozen):
    """What training took, summed over the runs it stands for."""

    images: int = Field(ge=0, le=10**18, description="Samples drawn in training, all views of one counted once.")
    flops: float = Field(ge=0, le=1e40, description="Floating-point operations of all training steps.")
    device_seconds: float = Field(ge=0, le=1e15, description="Wall seconds times devices, of all training steps.")


class ConfigReference(Frozen):
    """Full-data accuracy of one config: one value a seed, or a published mean with a standard deviation.

    Under a protocol that ranks by another metric, all of these are that metric's values, in its unit.
    """

    accuracies: tuple[float, ...] = Field((), description="Last-epoch top-1, one value a seed.")
    mean: float | None = None
    std: float | None = Field(None, ge=0, description="Standard deviation over seeds, if published.")
    source: str = Field("", description="Where a published value stands.")
    cost: Cost | None = Field(None, description="Cost of all seeds together.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.accuracies) == (self.mean is not None):
            raise ValueError("give either accuracies (measured) or mean (published)")
        return self

    @property
    def statistics(self) -> tuple[float, float | None]:
        """Mean and standard deviation over seeds (n - 1; None with one seed or an unstated one)."""
        if self.mean is not None:
            return self.mean, self.std
        spread = stdev(self.accuracies) if len(self.accuracies) > 1 else None
        return fmean(self.accuracies), spread


class Reference(Frozen):
    """The full data's accuracies and where they come from."""

    source: str = Field(description="How the values came about: a measurement or a publication.")
    date: datetime.date = Field(description="Day of the measurement or publication.")
    hardware: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    commit: str = Field("", description="Commit of the code that measured the values.")
    assumed_std: float | None = Field(
        None, ge=0, description="Std over seeds to reckon with where a published value states none, as a fraction."
    )
    configs: dict[str, ConfigReference] = Field(min_length=1)


Accuracy = Annotated[float, Field(ge=0, le=1, description="Top-1 accuracy as a fraction.")]


class Config(Frozen):
    """One cell of the grid: a method on a backbone, how it is trained and how it is evaluated."""

    name: Slug
    title: str = Field(max_length=80, description="The name shown in tables.")
    backbone: Backbone
    method: MethodSpec
    train: TrainSpec
    evaluation: EvaluationSpec | None = Field(None, description="None: the method's own head (supervised).")
    eval_view: EvalViewSpec | None = Field(None, description="What evaluation sees; None: the image as it is.")
    pruning: PruningSpec | None = Field(
        None, description="The search for a ticket, which is evaluated; None: all weights stay."
    )
    removal: RemovalSpec | None = Field(None, description="Samples that go before training; None: none do.")
    measure: tuple[MeasurementSpec, ...] = Field(
        (), description="What the result says beside the accuracy, in this order."
    )
    notes: tuple[str, ...] = Field((), description="What differs from the paper and the original code.")
    factors: dict[Slug, Slug] = Field(default_factory=dict, description="Of a sweep: the level of each factor.")

    def __hash__(self) -> int:
        return hash((self.name, self.train))  # of parts that have one, which a mapping has not

    @property
    def recipe_digest(self) -> str:
        """Names what is trained: everything but the name, title, notes and names of levels."""
        return digest_of(self.model_copy(update={"name": "", "title": "", "notes": (), "factors": {}}))

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        problem = self._evaluation_problem() or self._pruning_problem() or self._measurement_problem()
        if problem:
            raise ValueError(f"config {self.name}: {problem}")
        return self

    def _evaluation_problem(self) -> str:
        entry = METHODS[self.method.kind]
        if (entry.labels != "none") != (self.evaluation is None):
            return "supervised methods, and only they, take no evaluation"
        if entry.labels == "some" and self.train.repeats > 1:
            return f"the method {entry.name} draws its batches itself and takes no repeats"
        problem = self._text_problem()
        if problem:
            return problem
        if entry.backbone and self.backbone.kind != entry.backbone:
            return f"{entry.name} needs a {entry.backbone} backbone"
        if self.evaluation is not None and self.evaluation.kind == "linear":
            depth = self.backbone.depth if self.backbone.kind == "vit" else 0
            needed = {"pooled": 0, "cls": 1, "cls_and_mean": 1, "cls_last4": 4}[self.evaluation.features]
            if depth < needed:
                return f"features {self.evaluation.features} need a vit of {needed} or more blocks"
        return ""

    def _text_problem(self) -> str:
        if (self.method.kind == "text") != (self.backbone.kind == "embedding_bag"):
            return "the method text, and only it, takes an embedding_bag"
        optimizer = self.train.optimizer
        if self.method.kind != "text":
            held_out = self.train.held_out or (self.evaluation is not None and self.evaluation.train.held_out)
            return "only the method text holds samples out" if held_out else ""
        if optimizer.kind != "sgd" or optimizer.momentum or optimizer.weight_decay:
            # Gradients of embeddings are sparse: momentum and decay would touch all rows at every step.
            return "the method text takes sgd without momentum and weight decay"
        return ""

    def _pruning_problem(self) -> str:
        pruning, method, backbone = self.pruning, self.method, self.backbone
        if pruning is None:
            return ""
        if method.kind != "supervised" or method.weight_average is not None:
            return "pruning needs a supervised method without weight average"
        score = pruning.score.kind
        problem = "" if pruning.search is None else pruning.search.problem(score, self.train)
        if problem:
            return problem
        if pruning.prac is not None and (method.mixup or method.cutmix or self.train.repeats > 1):
            # A mixed sample has no label of its own to forget, and a repeated one no order in its batch.
            return "prac needs training without mixup, cutmix and repeats"
        if score not in FLOW_SCORES:
            return ""
        if backbone.kind == "vit":
            return f"score {score} is of convolutional networks"
        untrained = pruning.scored == "rewound" and pruning.rewind is None
        if untrained and backbone.kind == "resnet" and backbone.zero_init_residual:
            # Nothing flows through a branch that ends in a norm of weight 0, so all of its scores were 0.
            return f"score {score} of initial weights needs zero_init_residual: false of the backbone"
        return ""

    def _measurement_problem(self) -> str:
        method, prunes, repeats = self.method, self.pruning is not None, self.train.repeats > 1
        supervised = method.kind == "supervised" and method.weight_average is None
        mixes = method.kind == "supervised" and bool(method.mixup or method.cutmix)
        problem = measurement_problem(self.measure, supervised=supervised, prunes=prunes, mixes=mixes, repeats=repeats)
        if not problem and self.removal is not None and (not supervised or prunes or mixes or repeats):
            return "removal needs a dense supervised training on samples presented one by one"
        return problem

    def lengthened(self, factor: float) -> Config:
        """The config with so many times the epochs in every stage."""
        if factor == 1:
            return self
        evaluation = self.evaluation
        if evaluation is not None:
            evaluation = evaluation.model_copy(update={"train": evaluation.train.lengthened(factor)})
        return self.model_copy(update={"train": self.train.lengthened(factor), "evaluation": evaluation})

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All that a result of it says: its accuracy, and what it measures."""
        return (ACCURACY, *(metric for spec in self.measure for metric in spec.metrics))


class UnderfitGate(Frozen):
    """A floor under which a run says nothing about its recipe; a scorecard lists the configs below it."""

    min_train_accuracy: float = Field(ge=0, le=1, description="Last training accuracy of the evaluation.")


class Protocol(Frozen):
    """A frozen, versioned benchmark."""

    name: Slug
    version: int = Field(ge=1)
    title: str
    description: str = ""
    data: DataSpec
    budget: Unit = Field(description="What stays fixed when the data shrink.")
    exponents: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0,),
        min_length=1,
        description="Lengths of training that a submission may choose: an exponent a makes the epochs of every stage "
        "(N/n)^a times as many where n of the full data's N classes or samples are used. 0: equal epochs, 1: equal "
        "updates.",
    )
    seeds: tuple[int, ...] = Field(min_length=1)
    subset: SubsetRule
    underfit: UnderfitGate | None = None
    metric: Metric = Field(ACCURACY, description="What configs are ranked by; the last-epoch top-1 by default.")
    configs: tuple[Config, ...] = Field(min_length=3)
    reference: Reference | None = None

    @property
    def key(self) -> str:
        """``name@version``, as in LOCK.json."""
        return f"{self.name}@{self.version}"

    @property
    def digest(self) -> str:
        return digest_of(self)

    def config(self, name: str) -> Config:
        return next(config for config in self.configs if config.name == name)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise inconsistent("must be distinct", "seeds")
        self._check_exponents()
        names: list[str] = []
        for index, config in enumerate(self.configs):
            if config.name in names:
                raise inconsistent(f"a config before it is called {config.name}, too", "configs", index, "name")
            search = None if config.pruning is None else config.pruning.search
            for train, at in ((config.train, ()), (search.train if search else None, ("pruning", "search"))):
                if train is not None and train.duration.unit != self.budget:
                    problem = f"must be in {self.budget}, the protocol's budget"
                    raise inconsistent(problem, "configs", index, *at, "train", "duration")
            self._check_measured(index, config)
            names.append(config.name)
        self._check_reference(names)
        return self

    def _check_exponents(self) -> None:
        if list(self.exponents) != sorted({0.0, *self.exponents}):
            raise inconsistent("must ascend from 0", "exponents")
        if len(self.exponents) > 1 and (self.budget != "epochs" or self.subset.replaces != "training"):
            raise inconsistent(
                "are of protocols whose budget is in epochs and whose subset replaces all data", "exponents"
            )
        if len(self.exponents) > 1 and any(config.pruning or config.removal for config in self.configs):
            raise inconsistent("are of configs that neither search for a ticket nor remove samples", "exponents")

    def _check_measured(self, index: int, config: Config) -> None:
        """Whether a config leaves the protocol's metric, and has the phase that the subset replaces."""
        if self.metric not in config.metrics:
            named = {metric.name: metric for metric in config.metrics}
            found = named.get(self.metric.name)
            told = f"its metrics are {', '.join(named)}"
            if found is not None:
                told = f"its {found.name} is in {found.unit}, {found.direction} being better"
            raise inconsistent(f"does not measure the protocol's metric {self.metric.name}; {told}", "configs", index)
        replaces = self.subset.replaces
        if replaces in {"search", "sparse_training"} and config.pruning is None:
            raise inconsistent(f"has no ticket, but a subset replaces its {replaces}", "configs", index)
        probed = config.evaluation is not None or any(spec.kind == "ticket_probe" for spec in config.measure)
        if replaces == "probe" and not probed:
            raise inconsistent("has no probe, which a subset is to replace the data of", "configs", index)

    def _check_reference(self, names: list[str]) -> None:
        known = names if self.reference is None else list(self.reference.configs)
        for name in names:
            if name not in known:
                raise inconsistent(f"lacks the config {name}", "reference", "configs")
        for name in known:
            if name not in names:
                raise inconsistent("is none of the protocol's configs", "reference", "configs", name)
        for name, entry in {} if self.reference is None else self.reference.configs.items():
            self._check_values(entry, "reference", "configs", name)

    def _check_values(self, entry: ConfigReference, *at: str) -> None:
        """Whether the values of a config can be the protocol's metric."""
        if entry.mean is not None and not self.metric.holds(entry.mean):
            raise inconsistent(self.metric.problem(entry.mean), *at, "mean")
        for index, value in enumerate(entry.accuracies):
            if not self.metric.holds(value):
                raise inconsistent(self.metric.problem(value), *at, "accuracies", index)
