"""``python -m tfglue`` and the console script ``tfglue``: every command, by its name."""

import importlib
import sys

import tfglue
from tfglue.command_line import run
from tfglue.errors import UserError, suggestion

COMMANDS = {
    "train": "fine-tune an encoder on a task and write a run folder",
    "pretrain": "train an encoder further on plain text, as a masked language model",
    "evaluate": "metrics of a run on labelled data",
    "predict": "answers of a run or an export for texts, files or splits",
    "export": "a run as a SavedModel for TensorFlow Serving, proved to answer as the run does",
    "features": "hidden states of texts, token by token, as JSON lines or NumPy arrays",
    "probe": "what linear maps read from each layer and position of a store",
    "embed": "the embedding of a task, from its texts or from a fine-tuned run",
    "recommend": "source tasks ranked for a target, by embeddings and estimators",
    "transfer_matrix": "train every target from every source, and score who predicted it",
    "learning_curve": "scores of runs and encoders against the size of the training set",
    "ensemble": "runs of one task that answer together: scores, errors, plot",
    "parts": "tasks of a run: list, add, remove, export and import, merge LoRA",
    "submit": "files for the GLUE leaderboard from runs, and their check",
    "compare": "experiments side by side: scores over restarts, differences, plot, GLUE score",
    "convert": "an encoder or a run as a folder that transformers loads",
    "doctor": "what is installed, what is missing, and how to mend it",
}


def main(argv: list[str] | None = None) -> int:
    """Runs ``tfglue <command> ...``; without a command, lists them."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        print(f"tfglue {tfglue.__version__}\n\nusage: tfglue <command> [--help] ...\n")
        print("\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()))
        return 0
    if words[0] == "--version":
        print(tfglue.__version__)
        return 0
    if words[0] not in COMMANDS:
        return run(lambda: _unknown(words[0]))
    return importlib.import_module(f"tfglue.{words[0]}").main(words[1:])


def _unknown(name: str) -> int:
    raise UserError(
        f"unknown command '{name}'{suggestion(name, COMMANDS)} (known: {', '.join(COMMANDS)})"
    )


if __name__ == "__main__":
    raise SystemExit(main())
