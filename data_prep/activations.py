"""Runs an encoder once over a task's texts and keeps its hidden states.

    python -m data_prep.activations --run saved_models/sst --output activations/sst
    python -m data_prep.activations --encoder ENCODER --task sst --data GLUE --epochs 1 \\
        --output activations/sst

The second trains first, and leaves that run in OUTPUT/run (with --max_steps 0 the encoder stays as
it was loaded). --train_examples, --train_fraction, --dev_examples and --tune_split keep the rows
that training with the same flags reads and is scored on. `tfglue.train --activations OUTPUT` then
trains heads without the encoder. A command that was stopped goes on where it was when it is given
again; --shard 0/4 to 3/4 share the work among machines that see the same folder.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfglue.activations.store_form import DTYPES, SHARD_MB, TOKENS, StoreForm, chosen_states
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.config import TrainConfig
from tfglue.errors import UserError, suggestion
from tfglue.flags import add_flags, given

if TYPE_CHECKING:
    from tfglue.activations.extraction import Extraction
    from tfglue.data.examples import Examples
    from tfglue.run import Run
    from tfglue.run_folder import RunFolder
    from tfglue.tasks.task import Task

_SUBSETS = ("train_examples", "train_fraction", "dev_examples", "tune_split")
_OF_EXTRACTION = ("task", "data", *_SUBSETS)
HELD_OUT = "held_out"
"""The split of a store of a part with the rows that --tune_split holds out of training."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _activations(argv))


def _activations(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m data_prep.activations", __doc__)
    parser.add_argument("--run", help="finished run, or RUN@epoch, whose encoder runs")
    parser.add_argument("--splits", help="splits, a,b [train and all dev splits]")
    parser.add_argument("--layers", default="all",
                        help="all, or states such as 0,6 or -1,-2; 0 is the embeddings [all]")
    parser.add_argument("--tokens", default="all", help=f"{' or '.join(TOKENS)} [all]")
    parser.add_argument("--dtype", default="bfloat16", help=f"{', '.join(DTYPES)} [bfloat16]")
    parser.add_argument("--project", type=int, metavar="UNITS",
                        help="keep so many units of each state, by a fixed random map [all]")
    parser.add_argument("--shard", default="0/1", help="i/n: write every n-th shard from i [0/1]")
    parser.add_argument("--shard_mb", type=float, default=SHARD_MB,
                        help=f"about so large is a shard, in MB [{SHARD_MB}]")
    parser.add_argument("--dry_run", action="store_true", help="print size and time only")
    parser.add_argument("--verify", action="store_true", help="read every row of OUTPUT back")
    add_flags(parser, TrainConfig)
    flags = parser.parse_args(argv)
    settings = given(flags, TrainConfig)
    if not settings.get("output"):
        raise UserError("--output is needed: the folder of the store")
    folder = Path(settings.pop("output"))
    index, count = _shard(flags.shard)
    if flags.verify:
        _verify(folder)
        return
    _known("dtype", flags.dtype, DTYPES)
    _known("tokens", flags.tokens, TOKENS)
    if not flags.shard_mb > 0:
        raise UserError(f"--shard_mb: must be above 0, not {flags.shard_mb}")
    if not flags.run and not settings.get("encoder"):
        raise UserError("--run or --encoder is needed: whose hidden states are kept")
    if flags.dry_run and not flags.run and not (folder / "run").exists():
        raise UserError(
            "--dry_run with --encoder would have to train first; train with python -m tfglue.train "
            "and give that --run, or leave --dry_run out"
        )
    if not flags.run and settings.get("seeds"):
        raise UserError(
            "--seeds: a store is of one encoder; train them with python -m tfglue.train, and give "
            "the best of them as --run"
        )
    if flags.run and "encoder" in settings:
        raise UserError("--run and --encoder exclude each other: a run has its encoder; give one")
    for name in settings if flags.run else ():
        if name not in _OF_EXTRACTION:
            raise UserError(f"--{name} is a flag of training; with --run nothing is trained")
    quiet_tensorflow()
    extraction = _extraction(flags, settings, folder)
    free = extraction.check_disk()
    print(
        f"store: {extraction.bytes / 1e6:.1f} MB in {extraction.shards} shards "
        f"({free / 1e9:.0f} GB free); about {extraction.seconds():.0f} s to compute"
    )
    if not flags.dry_run:
        _write(extraction, index, count)


def _extraction(flags, settings: dict, folder: Path) -> "Extraction":
    from tfglue.activations.extraction import RUN
    from tfglue.run import Run
    from tfglue.run_folder import RunFolder

    if flags.run:
        return _of_run(flags, settings, folder, Run.open(flags.run))
    output = RunFolder(folder / RUN)
    given = {**settings, "output": str(output.path), "resume": output.is_run()}
    if not output.is_run() or output.manifest()["status"] != "complete":
        # What would be refused is found before hours of training, not after.
        before = _of_run(flags, settings, folder, _untrained(given, output))
        before.check_folder(before_training=True)
        before.check_disk()
    return _of_run(flags, settings, folder, Run.train(given))


def _untrained(given: dict, output: "RunFolder") -> "Run":
    """The run as it is before it is trained."""
    from tfglue.config import OF_EXPERIMENTS
    from tfglue.experiment import written_out
    from tfglue.output import resumed_settings
    from tfglue.preparation import prepare
    from tfglue.trainer import untrained

    if output.is_run():
        given = resumed_settings(given, output.manifest())
    own = {name: value for name, value in given.items() if name not in OF_EXPERIMENTS}
    prepared = prepare(written_out(own), lambda line: None)
    if len(prepared.tasks) > 1:
        raise UserError(f"--task {given['task']}: a store is of one task; name one")
    return untrained(prepared, output)


def _of_run(flags, settings: dict, folder: Path, opened: "Run") -> "Extraction":
    from tfglue.activations.extraction import RUN, Extraction
    from tfglue.answering import answered_task, source_for
    from tfglue.kinds import KINDS
    from tfglue.models.loaded_encoder import weights_digest

    task = answered_task(opened, settings.get("task"))
    if task.name in opened.model.adapters:
        whose = f"--run {flags.run}" if flags.run else "--adapter"
        raise UserError(
            f"{whose}: {task.name} has an adapter, and a store is of an encoder alone; merge LoRA "
            "with python -m tfglue.parts merge, or train without --adapter"
        )
    source = source_for(opened, task, settings.get("data"), None)
    print(f"data: {source.description}")
    config = opened.configs[task.name if task.name in opened.tasks else task.predicted_by]
    # A run's own subset says nothing of its store.
    subset = replace(config, **{name: settings.get(name) for name in _SUBSETS})
    names = [part.strip() for part in (flags.splits or "").split(",") if part.strip()]
    splits = {}
    for name in names or [s for s in source.splits() if s == "train" or s.startswith("dev")]:
        for part, examples in _parts(task, source.read(name), name, subset).items():
            features = KINDS.get(task.kind).encode(task, examples, opened.tokenizer, config)
            splits[part] = (examples, features)
    if not splits:
        raise UserError(f"--splits is needed: {task.name} has no train and no dev split")
    states = opened.encoder.num_layers + 1
    layers = tuple(sorted(chosen_states(flags.layers, states)))
    width = opened.encoder.hidden_dim
    if flags.project is not None and not 0 < flags.project < width:
        raise UserError(f"--project: expected 1 to {width - 1} units, not {flags.project}")
    projected = flags.project is not None
    form = StoreForm(layers, flags.project or width, flags.dtype, flags.tokens, projected)
    facts = {
        "encoder": {
            "digest": weights_digest(opened.encoder.named_weights()),
            "name": flags.run or str(folder / RUN),
            "num_layers": opened.encoder.num_layers,
        },
        "tokenizer": opened.tokenizer.digest(),
        "task": task.name,
        "max_length": config.max_length,
    }
    return Extraction(opened.encoder, splits, form, facts, folder, flags.shard_mb)


def _parts(
    task: "Task", examples: "Examples", split: str, config: TrainConfig
) -> dict[str, "Examples"]:
    """What of a split training with these settings reads, and is scored on."""
    import numpy as np

    from tfglue.data.held_out import split_held_out
    from tfglue.preparation import chosen_rows, scored_rows

    if split.startswith("dev"):
        return {split: scored_rows(examples, config)}
    if split != "train" or config.train_examples is config.train_fraction is None:
        return {split: examples}
    found = {}
    if config.tune_split:
        kept, aside = split_held_out(examples, config.tune_split)
        found[HELD_OUT] = scored_rows(examples.take(aside), config)
        examples = examples.take(kept)
    read = [rows for rows in chosen_rows(task, examples, config) if rows is not None]
    return {"train": examples.take(np.sort(np.concatenate(read))), **found}


def _write(extraction: "Extraction", index: int, count: int) -> None:
    from rich.console import Console
    from rich.progress import Progress

    extraction.begin()
    start, rows = time.perf_counter(), extraction.rows_of(index, count)
    with Progress(console=Console(), transient=True) as progress:
        bar = progress.add_task("rows", total=rows)
        extraction.write(index, count, lambda done: progress.advance(bar, done))
    print(
        f"written: {extraction.folder}, {rows} rows in {time.perf_counter() - start:.1f} s; "
        f"train on it with python -m tfglue.train --activations {extraction.folder}"
    )


def _verify(folder: Path) -> None:
    quiet_tensorflow()
    from tfglue.activations.store import ActivationStore

    store = ActivationStore(folder)
    print(f"{folder}: {store.verify()} rows, every one as it was written")


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not found or not int(found[1]) < int(found[2]):
        raise UserError(f"--shard: expected i/n with i from 0 to n - 1, not '{text}'")
    return int(found[1]), int(found[2])


def _known(flag: str, value: str, known) -> None:
    if value not in known:
        raise UserError(
            f"--{flag}: unknown value '{value}'{suggestion(value, known)} "
            f"(expected one of: {', '.join(known)})"
        )


if __name__ == "__main__":
    raise SystemExit(main())
