"""``python -m tfglue.pretrain``: trains an encoder further on plain text, without labels."""

from collections.abc import Sequence
from dataclasses import fields

from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.flags import add_flags, given
from tfglue.run_folder import RunFolder

_DESCRIPTION = """Train a BERT encoder as a masked language model and write a run folder.

  python -m tfglue.pretrain --text reviews.txt --encoder ENCODER --output saved_models/reviews
      a sentence a line, blank lines between documents; 5 % of the text is held out and scored
  python -m tfglue.train --task sst --data GLUE --encoder saved_models/reviews
      fine-tuning from it; --init does the same and notes where the encoder came from
  python -m tfglue.evaluate --run saved_models/reviews --input other.txt
      perplexity of another text

What is masked is drawn anew in every epoch. All settings are printed."""

FLAGS = (
    "text", "encoder", "init", "lower_case", "keep_layers", "freeze", "mask_rate", "whole_words",
    "next_sentence", "dev_fraction", "dev_examples", "dropout", "max_length", "batch_size",
    "batch_tokens", "accumulate", "learning_rate", "epochs", "max_steps", "warmup", "schedule",
    "optimizer", "average_weights", "weight_decay", "epsilon", "clip_norm", "precision",
    "strategy", "batching", "evaluate_every", "patience", "eval_batch_size", "save",
    "checkpoint_seconds", "seed", "output", "resume", "overwrite",
)
"""Settings that this command has."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _pretrain(argv))


def _pretrain(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.pretrain", _DESCRIPTION)
    others = [item.name for item in fields(TrainConfig) if item.name not in FLAGS]
    add_flags(parser, TrainConfig, leave_out=others)
    settings = given(parser.parse_args(argv), TrainConfig)
    if settings.get("resume"):
        _check_resumed(settings)
    elif not settings.get("text"):
        raise UserError("--text is needed: one or more text files, a sentence a line")
    quiet_tensorflow()
    from tfglue.experiment import train

    train(settings)


def _check_resumed(settings: dict) -> None:
    """Raises UserError where the run in ``--output`` is none of this command's."""
    folder = RunFolder(settings.get("output") or "")
    if not settings.get("output"):
        raise UserError("--resume needs --output, the folder of the run")
    if not settings.get("text") and not folder.is_run():
        raise UserError(
            f"--resume: {settings['output']} is no run to go on with; name its folder with "
            "--output, or begin one with --text"
        )
    if folder.is_run() and not folder.manifest()["config"].get("text"):
        raise UserError(
            f"--resume: {folder.path} was trained on a task; go on with python -m tfglue.train "
            f"--output {folder.path} --resume"
        )


if __name__ == "__main__":
    raise SystemExit(main())
