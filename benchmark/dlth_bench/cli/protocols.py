"""``dlth-bench protocols``: the frozen protocols, and whether they are still what was frozen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from dlth_bench.bench import Place, pilot
from dlth_bench.cli.shared import options
from dlth_bench.cli.shared.estimates import print_details, recipe_details
from dlth_bench.cli.shared.train import show_training
from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.protocols import protocol_file
from dlth_bench.protocols.measurements import ACCURACY, amount, column_title, explained
from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.protocols.recipe import CNNSpec, LibrarySpec
from dlth_bench.protocols.tickets import LayerDepth, SearchSpec
from dlth_bench.runs.store import DEFAULT_STORE
from dlth_bench.scoring.pilot import Pilot
from dlth_bench.subsets.subset import REPLACED_TEXT, SubsetRule
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import shipped_folder, write_atomically
from dlth_bench.util.text import correlation, printable, quoted

app = typer.Typer(
    add_completion=False, name="protocols", help="List, show and check the frozen protocols.", no_args_is_help=True
)

DraftsOption = Annotated[
    bool, typer.Option("--drafts", help="List the drafts instead: they may still change and are on no board.")
]


@app.command("list")
def list_protocols(drafts: DraftsOption = False, as_json: options.TableJson = False) -> None:
    """List the protocols that come with the package.

    Example: dlth-bench protocols list

    Example: dlth-bench protocols list --drafts
    """
    lock = protocol_file.read_lock(shipped_folder("protocols"))
    paths = protocol_file.draft_protocols() if drafts else protocol_file.shipped_protocols()
    found = [protocol_file.read_protocol(path) for path in paths.values()]
    if as_json:
        typer.echo(json.dumps([_summary(protocol, lock) for protocol in found], indent=2))
        return
    name = Column("Protocol", no_wrap=True)  # which --protocol takes
    table = Table(name, "Configs", "Seeds", "Subset", "Lock", box=box.SIMPLE_HEAD, pad_edge=False)
    for protocol in found:
        cells = (protocol.key, len(protocol.configs), len(protocol.seeds))
        table.add_row(*map(str, cells), _sizes(protocol.subset), protocol_file.lock_state(protocol, lock))
    console = Console(highlight=False)
    console.print(table)
    others = 0 if drafts else len(protocol_file.draft_protocols())
    if others:
        counted = "1 draft is" if others == 1 else f"{others} drafts are"
        console.print(Text(f"{counted} left out: dlth-bench protocols list --drafts"), soft_wrap=True)


@app.command("show")
def show_protocol(
    name: Annotated[str, typer.Argument(help="A protocol, name@version, or the path of a .yaml file.")],
    details: Annotated[
        bool, typer.Option("--details", help="Also steps, learning rates, crops, parameter counts and notes.")
    ] = False,
    as_json: options.TableJson = False,
) -> None:
    """Show a protocol's grid with its full-data reference.

    Example: dlth-bench protocols show imagenet-ssl --details
    """
    protocol = protocol_file.find_protocol(name)
    facts = recipe_details(protocol) if details else []
    if as_json:
        document = protocol.model_dump(mode="json", exclude_defaults=True) | {"digest": protocol.digest}
        if details:
            document["details"] = [fact.model_dump(mode="json") for fact in facts]
        typer.echo(json.dumps(document, indent=2))
        return
    console = Console(highlight=False)
    state = protocol_file.lock_state(protocol, protocol_file.read_lock(shipped_folder("protocols")))
    console.print(Text(f"{protocol.key}: {printable(protocol.title)}", style="bold"))
    if protocol.description:
        console.print(Text(printable(protocol.description.strip(), 2000)))
    console.print(Text(f"digest {protocol.digest} ({state})"), soft_wrap=True)
    console.print(Text(f"takes subsets of {_sizes(protocol.subset)}"), soft_wrap=True)
    if len(protocol.exponents) > 1:
        listed = ", ".join(f"{exponent:g}" for exponent in protocol.exponents)
        console.print(Text(f"lengths of training, --exponent: {listed}"), soft_wrap=True)
    console.print(Text(_data(protocol.data)), soft_wrap=True)
    console.print(Text(f"a subset replaces {REPLACED_TEXT[protocol.subset.replaces]}"), soft_wrap=True)
    if protocol.metric != ACCURACY:
        console.print(Text(f"ranks by {explained(protocol.metric)}"), soft_wrap=True)
    console.print(_grid(protocol))
    if protocol.reference is not None:
        source = printable(protocol.reference.source, 500)
        console.print(Text(f"reference: {source}, {protocol.reference.date}"), soft_wrap=True)
    else:
        console.print(Text("reference: none, so subsets can be trained but not scored"), soft_wrap=True)
    print_details(facts, console)
    if not details and any(config.notes for config in protocol.configs):
        console.print(Text("what differs from the originals: --details"))


@app.command("check")
def check_protocols(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Protocol files; none: all that are shipped, drafts too.")
    ] = None,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Add protocols that are not locked yet to the lock; drafts never.")
    ] = False,
) -> None:
    """Check that protocols are valid and, if locked, unchanged.

    Exit code 1 when one has changed, or is locked and gone.

    Example: dlth-bench protocols check
    """
    folder = shipped_folder("protocols")
    lock = protocol_file.read_lock(folder)
    found = [protocol_file.read_protocol(path) for path in (paths or protocol_file.shipped_protocols().values())]
    drafts = [] if paths else [protocol_file.read_protocol(path) for path in protocol_file.draft_protocols().values()]
    if freeze:
        _require_no_draft(paths or [], folder / protocol_file.DRAFTS)
        lock = {protocol.key: protocol.digest for protocol in found} | lock
        write_atomically(folder / protocol_file.LOCK_NAME, (json.dumps(lock, indent=2, sort_keys=True) + "\n").encode())
    states = {protocol.key: protocol_file.lock_state(protocol, lock) for protocol in (*drafts, *found)}
    for key, state in sorted(states.items()) if paths is None else states.items():
        typer.echo(f"{key}: {state}")
    missing = set(lock) - {protocol.key for protocol in found} if paths is None else set()
    for key in sorted(missing):
        typer.echo(f"{key}: locked, but its file is gone")
    if missing or "changed" in states.values():
        raise typer.Exit(1)


@app.command("pilot")
def pilot_protocol(
    protocol: Annotated[str, typer.Argument(help="A protocol, name@version, or the path of a .yaml file.")],
    sizes: Annotated[
        str | None, typer.Option(help="Classes of the random subsets, e.g. 24,60. Default: all that are admitted.")
    ] = None,
    subsets: Annotated[int, typer.Option(min=1, help="Random subsets a size.")] = 2,
    least: Annotated[
        list[str] | None,
        typer.Option("--least", help="Least mean ρs of a size, e.g. 24=0.8; may be given several times."),
    ] = None,
    out: options.Store = DEFAULT_STORE,
    workers: options.Workers = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Train a grid on the full data and on random subsets, and say whether it is worth freezing.

    Exit code 1 when a gate is not passed. Finished runs are stored, and count for the reference and for submissions.

    Example: dlth-bench protocols pilot my-grid.yaml --sizes 24,60 --least 24=0.8 --least 60=0.9
    """
    console = Console(stderr=as_json, highlight=False)
    with show_training(console, Place(device=device, workers=workers)) as show:
        found = pilot(
            protocol,
            sizes=[whole_number(size, "--sizes") for size in options.split_names(sizes) or ()],
            subsets=subsets,
            least_spearman=dict(_least(text) for text in least or ()),
            store=out,
            workers=workers,
            device=device,
            on_event=show,
        )
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json") | {"passed": found.passed}, indent=2))
    else:
        show_pilot(found, console)
    if not found.passed:
        raise typer.Exit(1)


def _least(text: str) -> tuple[int, float]:
    size, _, value = text.partition("=")
    try:
        return int(size), float(value)
    except ValueError:
        raise InputError(f"--least: {quoted(text)} is not SIZE=NUMBER, such as 24=0.8") from None


def whole_number(text: str, option: str) -> int:
    """The number in a part of an option."""
    if not text.isascii() or not text.isdigit():
        raise InputError(f"{option}: {quoted(text)} is not a whole number")
    return int(text)


def show_pilot(found: Pilot, console: Console) -> None:
    """Print the sides of a pilot, and its gates."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("Trained on", "Configs", "Spread / error", "ρs", "Regret", "Main effects (! another sign)"):
        table.add_column(title)
    for side in found.sides:
        effects = [f"{'!' if e.same_sign is False else ''}{e.factor} {100 * e.value:+.1f}" for e in side.effects]
        table.add_row(
            side.name,
            f"{100 * side.least:.1f} to {100 * side.most:.1f}",
            f"{side.spread:.1f}",
            correlation(side.spearman),
            "–" if side.regret is None else f"{100 * side.regret:.1f}",
            ", ".join(effects) or "–",
        )
    console.print(table)
    if found.resolved is not None:
        told = f"two such subsets are told apart when their ρs differ by about {found.resolved:.2f} or more"
        console.print(Text(told), soft_wrap=True)
    for gate in found.gates:
        line = f"{'passed' if gate.passed else 'FAILED'}: {gate.name} {gate.found} (wanted: {gate.wanted})"
        console.print(Text(line), soft_wrap=True)


def _require_no_draft(paths: list[Path], drafts: Path) -> None:
    """Refuse to freeze what has no board."""
    for path in paths:
        if path.resolve().parent == drafts.resolve():
            raise InputError("is a draft; move it out of that folder before it is frozen", source=path)


def _data(data: DataSpec) -> str:
    """Which data, and what holds a copy of them to be the right ones."""
    if data.manifest_digest is not None:
        return f"data: {data.dataset}, digest {data.manifest_digest}"
    told = "each result records the digest it found, a scorecard takes one only, classes have their published sizes"
    return f"data: {data.dataset}, digest left open: {told}"


def _sizes(rule: SubsetRule) -> str:
    """``10 to 60 classes``, and how many samples where a sample subset is taken."""
    if rule.samples is None:
        return f"{rule.told} classes"
    samples = f"{rule.samples.told} samples"
    return samples if rule.replaces != "training" else f"{rule.told} classes or {samples}"


def _summary(protocol: Protocol, lock: dict[str, str]) -> dict[str, object]:
    samples = protocol.subset.samples
    return {
        "protocol": protocol.key,
        "title": protocol.title,
        "dataset": protocol.data.dataset,
        "configs": [config.name for config in protocol.configs],
        "seeds": list(protocol.seeds),
        "classes": [protocol.subset.minimum, protocol.subset.maximum],
        "samples": None if samples is None else [samples.minimum, samples.maximum],
        "sizes": {"class": protocol.subset.sizes, "sample": () if samples is None else samples.sizes},
        "exponents": protocol.exponents,
        "replaces": protocol.subset.replaces,
        "metric": protocol.metric.model_dump(mode="json"),
        "digest": protocol.digest,
        "lock": protocol_file.lock_state(protocol, lock),
    }


def _grid(protocol: Protocol) -> Table:
    name = Column("Config", no_wrap=True)  # which --configs takes
    full = "Full data %" if protocol.metric == ACCURACY else f"Full data, {column_title(protocol.metric)}"
    table = Table(name, "Method", "Training", "Evaluation", full, box=box.SIMPLE_HEAD, pad_edge=False)
    for config in protocol.configs:
        duration = config.train.duration
        amount = getattr(duration, duration.unit)
        evaluation = "own head" if config.evaluation is None else config.evaluation.kind
        training = f"{amount:g} {duration.unit}, batch {config.train.batch_size}{_pruning(config)}"
        method = f"{config.method.kind}, {_network(config)}"
        table.add_row(config.name, method, training, evaluation, _reference(protocol, config.name))
    return table


def _pruning(config: Config) -> str:
    """How much is pruned, and by what."""
    if config.pruning is None:
        return ""
    pruning, total = config.pruning, 1_000_000
    control = "" if pruning.baseline is None else f", {pruning.baseline}"
    control += "" if pruning.prac is None else ", on critical samples"
    left = f"{100 * pruning.live_after(pruning.rounds, total) / total:.3g} % of weights"
    search = "" if pruning.search is None else _search(pruning.search)
    return f"; {left} {_depth(pruning.depth)}by {pruning.score.kind}{search}{control}"


def _depth(depth: LayerDepth | None) -> str:
    """Which layers' weights these are, where not those of all; ends with a space then."""
    if depth is None:
        return ""
    layers = f"{depth.layers} layers" if depth.share is None else f"{100 * depth.share:g} % of layers"
    return f"of the first {layers} "


def _search(search: SearchSpec) -> str:
    """What a search has less of than the training of its ticket."""
    parts: list[str] = [] if search.method is None else [search.method.kind]
    parts += [f"{100 * search.share_of_samples:g} % of samples"] if search.share_of_samples else []
    parts += [f"{100 * search.share_of_classes:g} % of classes"] if search.share_of_classes else []
    parts += ["permuted labels"] if search.permute_labels else []
    return f", search with {', '.join(parts)}" if parts else ""


def _network(config: Config) -> str:
    backbone = config.backbone
    if isinstance(backbone, LibrarySpec):
        return backbone.name
    return backbone.family if isinstance(backbone, CNNSpec) else backbone.kind


def _reference(protocol: Protocol, config: str) -> str:
    if protocol.reference is None:
        return ""
    known = protocol.reference.configs.get(config)
    if known is None:
        raise InputError(f"{protocol.key}: the reference lacks {config}")
    return amount(*known.statistics, protocol.metric)
