"""``python -m tfglue.train``: fine-tunes an encoder on a task and writes a run folder."""

from collections.abc import Sequence

from tfglue import tasks
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.config import OF_TEXT, TrainConfig
from tfglue.flags import add_flags, given

_DESCRIPTION = """Fine-tune a BERT encoder on a task and write a run folder.

  python -m tfglue.train --task sst
      the built-in demonstration: a tiny encoder on built-in sentences
  python -m tfglue.train --task rte --data GLUE_FOLDER --encoder bert_base_en_uncased
      the real thing
  python -m tfglue.train --train_file a.csv --dev_file b.csv --text_fields text --label_field y
      your own data

Settings that are not given come from the task's recipe; all are printed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _train(argv))


def _train(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.train", _DESCRIPTION)
    add_flags(parser, TrainConfig, leave_out=OF_TEXT)
    settings = given(parser.parse_args(argv), TrainConfig)
    if "task" in settings and "train_file" not in settings:
        tasks.expand(settings["task"])  # An unknown name is answered before TensorFlow is loaded.
    quiet_tensorflow()
    from tfglue.experiment import train

    train(settings)


if __name__ == "__main__":
    raise SystemExit(main())
