"""``python -m tfglue.embed``: the embedding of a task, from its texts or from a fine-tuned run."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tfglue import tasks
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.errors import UserError, suggestion
from tfglue.transfer.components import METHODS
from tfglue.typed_lines import typed_lines

_DESCRIPTION = """The embedding of a task, to be compared with those of other tasks.

  python -m tfglue.embed --method text --task mrpc --data GLUE --encoder ENCODER
      TextEmb: the average text, as the encoder reads it; needs no labels
  python -m tfglue.embed --method text --text my_texts.txt --encoder ENCODER
      the same of texts alone, one or a tab-separated pair a line
  python -m tfglue.embed --method task --run saved_models/mrpc
      TaskEmb: the Fisher information of what a fine-tuned model computes

Writes a folder of .npy files with manifest.json, by default embeddings/<method>/<task>. A folder of
such folders is a library for python -m tfglue.recommend."""

_SETTINGS = ("task", "data", "train_file", "text_fields", "label_field", "kind", "encoder",
             "max_length", "train_examples", "lower_case")
_OF_TEXT = ("per", "text", "encoder")
_OF_TASK = ("granularity", "fisher", "draws", "weights", "finetune", "epochs", "learning_rate",
            "batch_size")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _embed(argv))


def parser() -> Parser:
    """The command's flags."""
    found = Parser("python -m tfglue.embed", _DESCRIPTION)
    add = found.add_argument
    add("--method", required=True, help="text or task")
    add("--task", help="task; of a run its only one by default; with --text a name for the texts")
    add("--data", help="sample, tfds or a folder, as in training")
    add("--train_file", help="your own file of rows")
    add("--text_fields", help="one or two text columns of your file, a,b")
    add("--label_field", help="label column of your file [label]")
    add("--kind", help="what the labels of your file are")
    add("--text", help="file of texts without labels (text)")
    add("--encoder", help="an encoder, as in training (text) [tiny]")
    add("--run", help="run folder, RUN@epoch or RUN@task; with --method text its encoder is read")
    add("--lower_case", help="auto, true or false (text) [auto]")
    add("--max_length", type=int, help="tokens a row at most [the task's own; 128 with --text]")
    add("--train_examples", type=int, help="embed so many rows (stratified, nested) [all]")
    add("--per", help="window or question: what counts once in the average (text) [window]")
    add("--granularity", help="example, token, or batch, as published (task) [example]")
    add("--fisher", help="whose labels: empirical (those of the data), sampled or expected (the "
        "model's own) (task) [empirical]")
    add("--draws", type=int, help="labels drawn for every row, with --fisher sampled [10]")
    add("--weights", help="published names or patterns of weights to score too, such as "
        "'encoder.layer.*.attention.self.query.weight' (task) [none]")
    add("--finetune", help="none, head or all: train on each batch once it is scored (task) [none]")
    add("--epochs", type=int, help="passes over the rows, with granularity batch or --finetune [1]")
    add("--learning_rate", type=float, help="of --finetune [5e-5]")
    add("--batch_size", type=int, help="rows of a batch (task) [32]")
    add("--seed", type=int, help="of draws and of the order of batches [0]")
    add("--output", help="folder [embeddings/<method>/<task>]")
    add("--overwrite", action="store_true", help="replace the embedding in --output")
    return found


def _embed(argv: Sequence[str] | None) -> None:
    flags = parser().parse_args(argv)
    _check(flags)
    # Read before TensorFlow starts, so that a wrong file is answered at once.
    texts = [line.split("\t") for line in typed_lines(flags.text)] if flags.text else []
    for number, row in enumerate(texts, start=1):
        if len(row) > 2 or len(row) != len(texts[0]):
            raise UserError(
                f"{flags.text}:{number}: expected one text or a tab-separated pair, on every line "
                f"as many as on the first, found {len(row)}"
            )
        if not all(text.strip() for text in row):
            raise UserError(f"{flags.text}:{number}: an empty text; leave the line out")
    if flags.task and not flags.train_file and not flags.text and not flags.run:
        tasks.expand(flags.task)
    if flags.output:
        _check_output(Path(flags.output), flags.overwrite)
    quiet_tensorflow()
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(), transient=True) as progress:
        bar = progress.add_task("rows", total=None)

        def done(rows: int) -> None:
            progress.advance(bar, rows)

        make = _task_embedding if flags.method == "task" else _text_embedding
        embedding = make(flags, texts, done)
    facts = embedding.manifest["data"]
    print(
        f"written: {embedding.where}, {embedding.name} by {flags.method}, {facts['examples']} "
        f"examples in {facts['rows']} rows, {facts['tokens']} tokens, "
        f"{len(embedding.vectors)} components"
    )


def _text_embedding(flags: Namespace, texts: list[list[str]], done):
    from tfglue.models.checkpoints import load_encoder
    from tfglue.run import Run
    from tfglue.transfer.embedder import embed_text, encoder_facts
    from tfglue.transfer.task_rows import rows_for_encoder, rows_of_text

    if flags.run:
        opened = Run.open(flags.run)
        encoder, tokenizer, name = opened.encoder, opened.tokenizer, flags.run
        if opened.model.adapters:
            raise UserError(
                f"--run {flags.run}: its tasks have adapters, which TextEmb would leave out; use "
                "--method task"
            )
    else:
        name = flags.encoder or "tiny"
        loaded = load_encoder(name, flags.seed or 0)
        print(f"encoder: {loaded.source}; {loaded.report}")
        lower_case = {None: None, "auto": None, "true": True, "false": False}
        if flags.lower_case not in lower_case:
            raise UserError(f"--lower_case: expected auto, true or false, not '{flags.lower_case}'")
        encoder, tokenizer = loaded.encoder, loaded.tokenizer(lower_case[flags.lower_case])
    positions = encoder.max_sequence_length
    if texts:
        length = flags.max_length or min(128, positions)
        rows = rows_of_text(Path(flags.text), texts, tokenizer, length, positions)
        called = flags.task or Path(flags.text).stem
    else:
        given = {n: getattr(flags, n) for n in _SETTINGS if getattr(flags, n) is not None}
        if flags.run:
            given["encoder"] = opened.folder.manifest()["encoder"]["name"]
        rows = rows_for_encoder(given, tokenizer, positions, print)
        called = rows.task.name
    output = _output(flags, called)
    return embed_text(
        encoder, encoder_facts(name, encoder), rows, called, output, flags.per or "window", done
    )


def _task_embedding(flags: Namespace, texts: list[list[str]], done):
    from tfglue.run import Run
    from tfglue.transfer.embedder import TaskSettings, embed_task
    from tfglue.transfer.task_rows import rows_of_run

    given = {n: getattr(flags, n) for n in (*_OF_TASK, "seed") if n != "weights"}
    settings = TaskSettings(**{name: value for name, value in given.items() if value is not None})
    opened = Run.open(flags.run)
    task = opened.task(flags.task)
    output = _output(flags, task.name)
    rows = rows_of_run(opened, task, flags.data)
    weights = [part.strip() for part in (flags.weights or "").split(",") if part.strip()]
    return embed_task(opened, task, rows, output, settings, weights, done)


def _check(flags: Namespace) -> None:
    """Raises UserError for flags that do not go together."""
    if flags.method not in METHODS:
        raise UserError(
            f"--method: unknown method '{flags.method}'{suggestion(flags.method, METHODS)} "
            f"(expected {' or '.join(METHODS)})"
        )
    others = _OF_TASK if flags.method == "text" else _OF_TEXT
    for name in others:
        if getattr(flags, name) is not None:
            raise UserError(f"--{name} does not go with --method {flags.method}")
    if flags.method == "task":
        if not flags.run:
            raise UserError(
                "--method task needs --run, a run fine-tuned on the task; make one with python -m "
                "tfglue.train"
            )
        for name in ("train_file", "max_length", "train_examples", "lower_case"):
            if getattr(flags, name) is not None:
                raise UserError(f"--{name}: a run is embedded with the rows it was trained on")
        _check_used(flags)
        return
    if flags.run and flags.encoder:
        raise UserError("--run and --encoder exclude each other; give one")
    if not (flags.task or flags.text or flags.train_file):
        raise UserError("--task, --text or --train_file is needed: whose texts are embedded")
    if flags.text and (flags.train_file or flags.data):
        raise UserError("--text goes without --data and --train_file; give one")
    if flags.max_length is not None and flags.max_length < 8:
        raise UserError(f"--max_length: must be at least 8, not {flags.max_length}")
    if flags.train_examples is not None and flags.train_examples < 1:
        raise UserError(f"--train_examples: must be at least 1, not {flags.train_examples}")


def _check_used(flags: Namespace) -> None:
    """Raises UserError for flags of TaskEmb that others leave without effect."""
    trains = (flags.finetune or "none") != "none"
    for name, used, other in (
        ("draws", flags.fisher == "sampled", "--fisher sampled"),
        ("learning_rate", trains, "--finetune head or all"),
        ("epochs", trains or flags.granularity == "batch", "--finetune or --granularity batch"),
    ):
        if getattr(flags, name) is not None and not used:
            raise UserError(f"--{name} goes with {other}; without it nothing would change")


def _output(flags: Namespace, name: str) -> Path:
    folder = Path(flags.output or Path("embeddings") / flags.method / name)
    _check_output(folder, flags.overwrite)
    return folder


def _check_output(folder: Path, overwrite: bool) -> None:
    """Raises UserError for a folder that holds something else, or an embedding that is to stay."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"--output: {folder} is a file; name a folder")
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    if any(entry.suffix != ".npy" and entry.name != "manifest.json" for entry in entries):
        raise UserError(f"--output: {folder} holds other files; name a folder of its own")
    if entries and not overwrite:
        raise UserError(
            f"--output: {folder} holds an embedding; add --overwrite or name another folder"
        )


if __name__ == "__main__":
    raise SystemExit(main())
