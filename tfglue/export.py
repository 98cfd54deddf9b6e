"""``python -m tfglue.export``: a run as a SavedModel for TensorFlow Serving."""

from collections.abc import Sequence

from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.errors import UserError, suggestion
from tfglue.run_folder import RunFolder
from tfglue.serving import WEIGHT_TYPES
from tfglue.serving.export_folder import ExportFolder

_DESCRIPTION = """A finished run as a SavedModel that takes strings, for TensorFlow Serving:
tokenizer and labels inside, versions beside each other, requests to warm up, and a README that says
how to serve and ask it. Without --no_verify it is published only if it answers as the run does.

  python -m tfglue.export --run saved_models/rte --output saved_models/serve/rte
  python -m tfglue.export --run saved_models/rte@2 --output saved_models/serve/rte --version 7
      the weights after epoch 2, as version 7
  python -m tfglue.export --run saved_models/rte --output saved_models/serve/rte --weights int8
      a quarter of the bytes; the change in the dev metric is measured and written down
  echo "some text" | python -m tfglue.predict --run saved_models/serve/rte --input -"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _export(argv))


def _export(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.export", _DESCRIPTION)
    parser.add_argument("--run", required=True, help="run folder, RUN@epoch, or RUN@task")
    parser.add_argument(
        "--output", required=True, help="folder of all versions; its name is the model's"
    )
    parser.add_argument("--version", help="number of this version [the one after the newest]")
    parser.add_argument(
        "--signatures", help="beside text, a,b: token_ids, examples, mixed (several tasks) [all]"
    )
    parser.add_argument(
        "--weights", default="float32", help=f"how they are stored: {', '.join(WEIGHT_TYPES)} "
        "[float32]",
    )
    parser.add_argument(
        "--verify", action="store_true", default=True,
        help="compare 100 dev examples with the run in a fresh process [on]",
    )
    parser.add_argument(
        "--no_verify", dest="verify", action="store_false", help="publish without that"
    )
    parser.add_argument("--data", help="of dev examples, as in training [the run's own]")
    parser.add_argument("--dev_examples", help="measure --weights on so many at most [all]")
    flags = parser.parse_args(argv)
    if flags.weights not in WEIGHT_TYPES:
        raise UserError(
            f"--weights: unknown value '{flags.weights}'{suggestion(flags.weights, WEIGHT_TYPES)} "
            f"(expected one of: {', '.join(WEIGHT_TYPES)})"
        )
    version, dev_examples = (
        _number(name, getattr(flags, name)) for name in ("version", "dev_examples")
    )
    # Before TensorFlow starts and a large run is read.
    folder, which = RunFolder.named(flags.run)
    folder.finished_manifest()
    folder.weights(which)
    output = ExportFolder(flags.output)
    output.free_version(version)
    quiet_tensorflow()
    from tfglue.run import Run
    from tfglue.serving.exporter import Exporter

    exporter = Exporter(
        Run.open(flags.run), flags.run, output, version, flags.signatures, flags.weights,
        flags.verify, flags.data, dev_examples,
    )
    print(f"written: {exporter.write()}")


def _number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise UserError(f"--{name}: expected a whole number from 1 on, not '{text}'")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
