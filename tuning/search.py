"""``python -m tuning.search``: hyper-parameter search over ordinary runs, with keras-tuner."""

from collections.abc import Sequence
from importlib.util import find_spec

from tfglue import tasks
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.config import OF_TEXT, TrainConfig
from tfglue.doctor import PACKAGES, mend
from tfglue.errors import UserError
from tfglue.flags import add_flags, given
from tuning.config import SearchConfig
from tuning.space import shipped_spaces

_DESCRIPTION = """Search for good settings; every trial is a run that train could have made.

  python -m tuning.search --task rte --model adapter_pooler --data GLUE --activations STORE \\
      --trials 50
      a head on stored activations, by Bayesian optimisation
  python -m tuning.search --task mrpc --data GLUE --encoder ENCODER --tuner random --trials 12 \\
      --space learning_rate=log:1e-5:2e-4 --space batch_size=choice:16,32
      fine-tuning of the whole encoder, in your own space
  python -m tuning.search --output SEARCH --resume
      go on with a search

--space takes name=log:LOW:HIGH, uniform:LOW:HIGH, int:LOW:HIGH[:STEP], choice:A,B,... or none,
the name of a shipped space, or a YAML file. Settings of training are fixed for all trials.
docs/tuning.md says more."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _search(argv))


def _search(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tuning.search", _DESCRIPTION)
    parser.add_argument(
        "--space", action="append", default=[], metavar="STR",
        help="what is searched; may be given several times "
        f"(shipped: {', '.join(shipped_spaces())}) [the shipped space of the model]",
    )
    add_flags(parser, SearchConfig)
    add_flags(parser, TrainConfig, leave_out=("tune_split", *OF_TEXT))
    flags = parser.parse_args(argv)
    search = given(flags, SearchConfig)
    if "tune_split" in flags:
        del flags.tune_split  # Of the search, which allows for none.
    train = given(flags, TrainConfig)
    if "task" in train and "train_file" not in train:
        tasks.expand(train["task"])  # An unknown name is answered before TensorFlow is loaded.
    check_packages()
    quiet_tensorflow()
    try:
        from tuning.session import search as run_search
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("tuning", "tfglue"):
            raise
        keras_tuner = next(package for package in PACKAGES if package.extra == "tune")
        raise UserError(f"a package does not work ({error}); {mend(keras_tuner)}") from None
    run_search(search, train, flags.space)


def check_packages() -> None:
    """Raises UserError, with the command that mends it, if a package is missing.

    keras-tuner itself says so late, and of some as failed trials.
    """
    for package in PACKAGES:
        needed = package.extra == "tune" or package.module in ("sklearn", "scipy")
        if needed and not _installed(package.module):
            raise UserError(f"{package.name} is not installed; {mend(package)}")


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


if __name__ == "__main__":
    raise SystemExit(main())
