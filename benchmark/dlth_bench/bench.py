"""Train, score and select without a terminal: what the commands and Python programs have in common.

Nothing here prints or exits. What happens while runs are trained is told by events, one call of ``on_event`` each; what
is wrong is an exception; a run that broke down is a result with a status and a reason, and named in the scorecard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from dlth_bench.datasets.dataset import Dataset
from dlth_bench.datasets.packed.cache import PackedImages
from dlth_bench.datasets.registry import class_catalog, data_at, is_packed, protocol_dataset, sample_catalog
from dlth_bench.engines.attempt import invite
from dlth_bench.engines.batch import BatchFolder, Grid, Purpose
from dlth_bench.engines.engine import (
    ENGINES,
    Engine,
    EngineSettings,
    Finished,
    Progressed,
    check_device,
    check_engine,
    make_engine,
)
from dlth_bench.engines.local import worker_count
from dlth_bench.engines.slurm import SlurmEngine
from dlth_bench.protocols.protocol import Protocol, Reference
from dlth_bench.protocols.protocol_file import DEFAULT_PROTOCOL, find_protocol
from dlth_bench.runs.plan import Plan, PlannedRun, check_subset, full_data, make_plan, subset_for
from dlth_bench.runs.run import Run, Tuning
from dlth_bench.runs.score import (
    make_reference,
    pilot_runs,
    score_results,
    score_stored,
    score_table,
    stored_results,
    wanted,
)
from dlth_bench.runs.store import DEFAULT_STORE, ENCODER_FILE, Store
from dlth_bench.scoring.pilot import Pilot, check_pilot, judge_pilot
from dlth_bench.scoring.power import FIRST_SEEDS
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.selection.select import select
from dlth_bench.subsets.subset import Subset, parse_subset
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import quoted


@dataclass(frozen=True)
class Place:
    """Where runs are trained.

    engine: ``local``, ``slurm`` or ``ray``.
    options: of the engine, each ``key=value``.
    device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    workers: runs trained at once, as the user gave it; None: as many as the machine or the cluster takes.
    detach: the runs are handed to the cluster, and nobody waits for them.
    tuning: how the steps of each run are computed.
    """

    engine: str = "local"
    options: tuple[str, ...] = ()
    device: str = "auto"
    workers: int | None = None
    detach: bool = False
    tuning: Tuning = field(default_factory=Tuning)

    def __post_init__(self) -> None:
        entry = check_engine(self.engine)
        if self.detach and not entry.detaches:
            raise InputError("--detach: only Slurm goes on without this command; use --engine slurm")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"--workers {self.workers}: must be 1 or more")
        check_device(self.device, here=entry.on_this_machine)  # on a cluster its nodes know whether there is one
        if entry.on_this_machine and self.tuning.devices > 1 and self.workers not in {None, 1}:
            told = f"runs on {self.tuning.devices} devices are trained one after the other"
            raise InputError(f"--workers {self.workers}: {told}")

    @property
    def at_once(self) -> int | None:
        """Runs trained at once; None when the cluster decides."""
        if not ENGINES[self.engine].on_this_machine:
            return self.workers
        return 1 if self.tuning.devices > 1 else worker_count(self.workers, self.device)


@dataclass(frozen=True)
class Packing:
    """Images of a split are checked and packed, ``done`` of ``total`` so far."""

    split: str
    done: int
    total: int


@dataclass(frozen=True)
class LeftOut:
    """Images of a split that cannot be decoded, by name, of ``total``; runs are trained without them."""

    split: str
    names: tuple[str, ...]
    total: int


@dataclass(frozen=True)
class Planned:
    """Training of the plan's pending runs begins; `Progressed` and `Finished` events of these follow."""

    plan: Plan
    place: Place


@dataclass(frozen=True)
class WithoutWeights:
    """So many stored runs have no weights, which were asked for: they are not trained again."""

    runs: int


@dataclass(frozen=True)
class Raced:
    """Racing is over; the runs of ``spared`` were left out, of ``runs`` in all."""

    spared: tuple[PlannedRun, ...]
    runs: int


BenchEvent = Packing | LeftOut | Planned | Progressed | Finished | WithoutWeights | Raced
OnEvent = Callable[[BenchEvent], None]


def ignore(event: BenchEvent) -> None:
    """Do nothing with an event."""


def as_protocol(protocol: str | Path | Protocol) -> Protocol:
    """A protocol by its name, ``name@version`` or path; a `Protocol` is returned as it is.

    Raises:
        InputError: there is none of that name, or the file is no protocol.
    """
    return protocol if isinstance(protocol, Protocol) else find_protocol(str(protocol))


def as_subset(subset: str | Path | Subset, protocol: Protocol) -> tuple[Subset, str]:
    """A subset that the protocol takes, and what it is called.

    Args:
        subset: the name of a shipped one, the path of a list, or the subset itself, which is called by its digest.

    Raises:
        InputError: it is no valid subset of the protocol's training data, or has too few or too many members.
    """
    if not isinstance(subset, Subset):
        file = subset_for(str(subset), protocol)
        return file.subset, file.name
    if subset.dataset != protocol.data.dataset:
        raise InputError(f"the subset is of {subset.dataset}, but {protocol.key} is on {protocol.data.dataset}")
    catalog, limit = class_catalog(subset.dataset), protocol.data.images_per_class
    parse_subset(subset.canonical_text(), catalog, samples=partial(sample_catalog, subset.dataset, limit))
    check_subset(subset, protocol)
    return subset, subset.digest[:12]


@dataclass(frozen=True)
class Training:
    """What trains plans, and hears how far they are.

    store: where results go; what it holds is not trained again.
    place: where runs are trained.
    keep_weights: the encoders stay in the store; stored runs that have none are counted, not trained again.
    purpose: the command, and
    name: what it calls the subset, for whoever asks for the batch later.
    on_event: is called with each event.
    """

    store: Store
    place: Place
    keep_weights: bool = False
    purpose: Purpose = "run"
    name: str = ""
    on_event: OnEvent = ignore

    def train(self, plan: Plan) -> int:
        """Train what the store does not hold yet; returns how many of the plan's runs broke down.

        An interrupt stops what is trained on this machine; jobs of a cluster go on.

        Raises:
            InputError: the installed dataset is not the one the protocol was frozen with, its images are not there or
                too many cannot be decoded, or the engine is not to be had.
        """
        store = self.store
        if plan.pending:
            events = self._engine(plan).run_all([planned.run for planned in plan.pending])
            try:
                for event in events:
                    self.on_event(event)
            finally:
                if isinstance(events, Generator):
                    events.close()  # whatever is trained here ends with this call, not when its error is forgotten
        kept = [(store.folder(run.digest) / ENCODER_FILE).exists() for run in plan.runs] if self.keep_weights else []
        if not all(kept):
            self.on_event(WithoutWeights(kept.count(False)))
        results = [store.result(run.digest) for run in plan.runs]
        return sum(result is None or result.status != "finished" for result in results)

    def submit(self, plan: Plan) -> BatchFolder | None:
        """Hand the pending runs to Slurm and return; None when all of them are in its queue already.

        Errors as of `train`.
        """
        engine = self._engine(plan)
        if not isinstance(engine, SlurmEngine):
            raise TypeError("only the Slurm engine detaches")
        return engine.submit([planned.run for planned in plan.pending])

    def race(self, plan: Plan) -> int:
        """Train seed by seed, and no further seed of a config whose place is settled; returns how many runs broke down.

        Raises:
            InputError: as of `train`; or the plan is of a few of the protocol's seeds, there are too few seeds or
                configs to race for, or the engine is detached.
        """
        protocol, subset, store, exponent = plan.protocol, plan.subset, self.store, plan.exponent
        names = list(dict.fromkeys(run.config.name for run in plan.runs))
        if {run.seed for run in plan.runs} != set(protocol.seeds):
            raise InputError("--racing decides on seeds itself: not with --seeds")
        if len(protocol.seeds) <= FIRST_SEEDS or len(names) <= 2:
            raise InputError(
                f"--racing needs more than {FIRST_SEEDS} seeds and 3 or more configs; "
                f"here are {len(protocol.seeds)} and {len(names)}"
            )
        if self.place.detach:
            raise InputError("--racing looks at results between seeds: not with --detach")
        broken, spared = 0, list[PlannedRun]()
        rounds = [protocol.seeds[:FIRST_SEEDS], *([seed] for seed in protocol.seeds[FIRST_SEEDS:])]
        for number, seeds in enumerate(rounds):
            going = names if number == 0 else wanted(protocol, subset, store, seeds[0], names, exponent)
            rest = [name for name in names if name not in going]
            if rest:
                spared += make_plan(protocol, subset, store, exponent=exponent, seeds=seeds, configs=rest).pending
            if going:
                broken += self.train(make_plan(protocol, subset, store, exponent=exponent, seeds=seeds, configs=going))
        self.on_event(Raced(tuple(spared), len(names) * len(protocol.seeds)))
        return broken

    def _engine(self, plan: Plan) -> Engine:
        """The engine for the pending runs, once their data and the store are fit for them."""
        data, place, pending = plan.protocol.data, self.place, [planned.run for planned in plan.pending]
        if data.manifest_digest is not None and protocol_dataset(data).manifest_digest != data.manifest_digest:
            raise InputError(f"the installed dataset {data.dataset} is not the one {plan.protocol.key} was frozen with")
        expected = {planned.run.digest: planned.expected for planned in plan.pending}
        settings = EngineSettings(
            self.store,
            Grid(
                purpose=self.purpose,
                protocol=plan.protocol,
                subset=plan.subset,
                subset_name=self.name,
                exponent=plan.exponent,
            ),
            workers=place.at_once,
            device=place.device,
            keep_weights=self.keep_weights,
            seconds={digest: cost.device_seconds for digest, cost in expected.items() if cost is not None},
            options=place.options,
            tuning=place.tuning,
        )
        engine = make_engine(place.engine, settings)
        self.store.check_writable()
        if is_packed(data.dataset):
            pack_images(protocol_dataset(data), pending[0], self.on_event)
        invite(pending, self.store)
        self.on_event(Planned(plan, place))
        return engine


def pack_images(dataset: Dataset, run: Run, on_event: OnEvent = ignore) -> None:
    """Pack and check the images that a run, and every run on the same samples, reads.

    Raises:
        InputError: the images are not there, too many cannot be decoded, or there is no space.
    """
    from dlth_bench.training.data import run_samples  # torch, which a command that trains nothing does without

    for arrays in run_samples(dataset, run):
        images = arrays.images
        if not isinstance(images, PackedImages):
            continue
        split, total = images.split, len(images)
        on_event(Packing(split, 0, total))
        files = images.files(check=True, report=_packing(split, on_event))
        if files.unreadable:
            on_event(LeftOut(split, tuple(files.unreadable), total))


def _packing(split: str, on_event: OnEvent) -> Callable[[int, int], None]:
    return lambda done, total: on_event(Packing(split, done, total))


def run(
    subset: str | Path | Subset,
    protocol: str | Path | Protocol = DEFAULT_PROTOCOL,
    *,
    exponent: float = 0.0,
    store: str | Path = DEFAULT_STORE,
    seeds: Sequence[int] | None = None,
    configs: Sequence[str] | None = None,
    engine: str = "local",
    engine_options: Sequence[str] = (),
    workers: int | None = None,
    device: str = "auto",
    data_dir: str | Path | None = None,
    keep_weights: bool = False,
    racing: bool = False,
    on_event: OnEvent = ignore,
) -> Scorecard:
    """Train a subset under every config of a protocol and score it; what is stored is not trained again.

    The local engine starts processes: a script calls this below ``if __name__ == "__main__":``.

    Args:
        subset: the name of a shipped subset, the path of a list of classes or samples, or a `Subset`.
        protocol: its name, ``name@version``, the path of a ``.yaml`` file, or a `Protocol`.
        exponent: of the training's length, one of the protocol's ``exponents``.
        store: folder of the store of runs.
        seeds, configs: only these of the protocol's, configs by name; None: all.
        engine: ``local``, ``slurm`` or ``ray``; ``engine_options``: its options, each ``key=value``.
        workers: runs trained at once; None: one on each GPU, else one a core.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        data_dir: folder of the protocol's dataset; None: as ``dlth-bench run`` finds it.
        keep_weights: keep each run's pretrained encoder in the store.
        racing: spend no further seed on a config whose place is settled.
        on_event: is called with each event, see `BenchEvent`.

    Returns:
        The score of all runs of the subset that the store holds; runs that broke down are named in it.

    Raises:
        InputError: something given is wrong; the message says what, where, and what would be right.
        NotScorable: what was trained is stored, and is too little for a score.
    """
    spec, place = as_protocol(protocol), Place(engine, tuple(engine_options), device, workers)
    with data_at(spec.data.dataset, None if data_dir is None else Path(data_dir)):
        chosen, name = as_subset(subset, spec)
        training = Training(Store(Path(store)), place, keep_weights, name=name, on_event=on_event)
        only = check_seeds(seeds, spec)
        plan = make_plan(spec, chosen, training.store, exponent=exponent, seeds=only, configs=configs)
        training.race(plan) if racing else training.train(plan)
    return score_stored(spec, chosen, training.store, exponent)


def check_seeds(seeds: Sequence[int | str] | None, protocol: Protocol) -> list[int] | None:
    """The seeds, numbers or what a user typed, in ascending order, each once; None stays None.

    Raises:
        InputError: the list is empty, or one is not a number or not a seed of the protocol.
    """
    if seeds is None:
        return None
    known = protocol.seeds
    wrong = [seed for seed in seeds if not re.fullmatch("-?[0-9]{1,18}", str(seed)) or int(seed) not in known]
    if wrong or not seeds:
        given = quoted(str(wrong[0])) if wrong else "nothing"
        raise InputError(f"--seeds: {given} given; the protocol's seeds are {', '.join(map(str, known))}")
    return sorted({int(seed) for seed in seeds})


def score(
    subset: str | Path | Subset | None = None,
    protocol: str | Path | Protocol = DEFAULT_PROTOCOL,
    *,
    exponent: float = 0.0,
    store: str | Path = DEFAULT_STORE,
    csv: str | Path | None = None,
) -> Scorecard:
    """Score a subset against the protocol's full-data reference, without training.

    Args:
        subset: whose runs are stored, as for `run`; with ``csv`` the name of one of the table's subsets, which may be
            left out where there is one only.
        exponent: of the training's length, as for `run`.
        csv: a table of accuracies in place of stored runs: columns ``config,accuracy[,seed][,subset]``, or one column a
            config.

    Raises:
        InputError: something given is wrong, or no run of the subset is stored.
        NotScorable: there is too little for a score.
    """
    spec = as_protocol(protocol)
    if csv is not None:
        cards = score_table(csv, spec)
        if subset is None and len(cards) == 1:
            return next(iter(cards.values()))
        if subset not in cards:
            raise InputError(f"subset: one of {', '.join(map(quoted, cards))} is needed", source=csv)
        return cards[str(subset)]
    if subset is None:
        raise InputError("give either a subset whose runs are stored, or csv, a table of accuracies")
    chosen, name = as_subset(subset, spec)
    results = stored_results(spec, chosen, Store(Path(store)), exponent)
    if not results:
        raise InputError(f"no run of {quoted(name)} under {spec.key}; train them with: dlth-bench run", source=store)
    return score_results(spec, chosen, results, exponent)


def reference(
    protocol: str | Path | Protocol = DEFAULT_PROTOCOL,
    *,
    store: str | Path = DEFAULT_STORE,
    engine: str = "local",
    engine_options: Sequence[str] = (),
    workers: int | None = None,
    device: str = "auto",
    data_dir: str | Path | None = None,
    keep_weights: bool = False,
    on_event: OnEvent = ignore,
) -> Reference:
    """Train every config of a protocol on all classes; args as of `run`.

    Raises:
        InputError: something given is wrong, or a config has fewer than three finished seeds in the end.
    """
    spec, place = as_protocol(protocol), Place(engine, tuple(engine_options), device, workers)
    training = Training(Store(Path(store)), place, keep_weights, "reference", "all classes", on_event)
    with data_at(spec.data.dataset, None if data_dir is None else Path(data_dir)):
        training.train(make_plan(spec, full_data(spec), training.store))
    return make_reference(spec, stored_results(spec, full_data(spec), training.store))


def pilot(
    protocol: str | Path | Protocol,
    *,
    sizes: Sequence[int] = (),
    subsets: int = 2,
    least_spearman: Mapping[int, float] | None = None,
    store: str | Path = DEFAULT_STORE,
    workers: int | None = None,
    device: str = "auto",
    on_event: OnEvent = ignore,
) -> Pilot:
    """Train a grid on the full data and on random classes, and judge whether it is worth freezing.

    Args:
        sizes: of the random subsets, in classes; none: all that the protocol admits, or its least and greatest.
        subsets: random ones a size.
        least_spearman: the mean ρs that is wanted of the subsets of a size.

    Raises:
        InputError: the protocol has one seed, or does not take a size; a wish that nothing can be said of; a run broke
            down; see `run`.
    """
    spec, wanted_spearman = as_protocol(protocol), least_spearman or {}
    rule, training = spec.subset, Training(Store(Path(store)), Place(device=device, workers=workers), on_event=on_event)
    chosen = tuple(sizes) or rule.sizes or tuple(sorted({rule.minimum, rule.maximum}))
    check_pilot(spec, chosen, wanted_spearman)
    drawn = [
        (f"rs-{seed} of {size}", select("rs", dataset=spec.data.dataset, size=size, seed=seed))
        for size in chosen
        for seed in range(subsets)
    ]
    for _, subset in drawn:
        check_subset(subset, spec, source="--sizes")
    found = []
    for name, subset in [("full data", full_data(spec)), *drawn]:
        plan = make_plan(spec, subset, training.store)
        if replace(training, name=name).train(plan):
            raise InputError(f"{spec.key} on {name}: some runs broke down, so there is nothing to judge", source=store)
        found.append(pilot_runs(spec, name, len(subset), stored_results(spec, subset, training.store)))
    return judge_pilot(spec, found[0], found[1:], wanted_spearman)
