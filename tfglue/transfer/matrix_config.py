"""Settings of a matrix of transfer. Loads no TensorFlow."""

from dataclasses import dataclass

from tfglue.flags import setting


@dataclass(frozen=True)
class MatrixConfig:
    """Settings of a matrix."""

    tasks: str | None = setting(None, "tasks that are sources and targets, a,b,c")
    sources: str | None = setting(None, "sources, a,b [--tasks]")
    targets: str | None = setting(None, "targets, a,b [--tasks]")
    data: str | None = setting(None, "sample, tfds, a folder, or task=FOLDER,..., as in training")
    encoder: str = setting("tiny", "an encoder, as in training")
    source_examples: int | None = setting(
        None, "rows that a source is trained on [all]", kind=int, least=1
    )
    target_examples: int = setting(
        1000, "rows that a target is trained on", kind=int, least=1
    )
    dev_examples: int = setting(1000, "dev rows that are scored", kind=int, least=1)
    seeds: int = setting(1, "restarts of every target", kind=int, least=1)
    seed: int = setting(0, "the first seed; sources have this one", kind=int, least=0)
    recipe: str | None = setting(None, "settings of all trainings: a recipe's name or a YAML file")
    target_recipe: str | None = setting(None, "settings of the targets' trainings instead")
    precision: str = setting(
        "float32", "what training computes in", choices=("float32", "mixed_bfloat16")
    )
