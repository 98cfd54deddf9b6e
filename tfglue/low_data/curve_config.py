"""Settings of learning curves, and what of training's settings they leave out. No TensorFlow."""

from dataclasses import dataclass, fields

from tfglue.config import OF_ONE_COMMAND
from tfglue.flags import setting


@dataclass(frozen=True)
class CurveConfig:
    """Settings of learning curves, beside the starts and the settings of every training."""

    train_fraction: str | None = setting(
        None, "sizes as shares of the training rows, the smallest first: 0.001,0.01,0.1,1"
    )
    train_examples: str | None = setting(
        None, "sizes as numbers of rows instead: 10,100,1000"
    )
    seeds: int = setting(
        1, "train so many times at every size, with seeds --seed, --seed + 1, ...", kind=int,
        least=1,
    )
    keep_weights: str = setting(
        "none", "whose weights stay on disk", choices=("none", "all")
    )


ELSEWHERE = {
    "encoder": "name encoders with --start NAME=ENCODER",
    "init": "name runs to begin with by --start NAME=RUN",
    "init_parts": "of a --start that is a run its encoder is taken",
    "intermediate": "train the intermediate task before, and name that run with --start NAME=RUN",
    "intermediate_recipe": "intermediate tasks are trained before",
    "library": "intermediate tasks are trained before",
    "center": "intermediate tasks are trained before",
    "activations": "a store is of one encoder; use --freeze encoder",
    "text": "language models are trained by python -m tfglue.pretrain; name one with --start",
    "dev_fraction": "it is of python -m tfglue.pretrain",
    "next_sentence": "it is of python -m tfglue.pretrain",
    "skip_damaged": "a store is of one encoder; use --freeze encoder",
}
"""Settings of training that learning curves do not take, and what is there instead."""

LEFT_OUT = (*(item.name for item in fields(CurveConfig)), *ELSEWHERE, *OF_ONE_COMMAND)
"""Settings of training that are none of one cell's own."""

MAY_CHANGE = ("keep_weights", "checkpoint_seconds")
"""Settings that may be others when learning curves are gone on with."""
