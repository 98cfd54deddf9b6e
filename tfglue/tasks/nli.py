"""Inference tasks outside GLUE: SNLI (Bowman et al. 2015) and SciTail (Khot et al. 2018)."""

from tfglue.tasks.glue import MNLI
from tfglue.tasks.task import Recipe, SplitFile, Task, TfdsSource

SNLI = Task(
    name="snli",
    kind="classify",
    text_fields=("premise", "hypothesis"),
    labels=MNLI.labels,
    ignored_labels=("-",),
    metrics=("accuracy",),
    folders=("SNLI", "snli"),
    files={
        split: SplitFile(f"{split}.tsv", ("sentence1", "sentence2"), "gold_label", rows=rows)
        for split, rows in {"train": 549367, "dev": 9842, "test": 9824}.items()
    },
    tfds=TfdsSource("snli", {"train": "train", "dev": "validation", "test": "test"}),
    recipe=MNLI.recipe,
)

SCITAIL = Task(
    name="scitail",
    kind="classify",
    text_fields=("premise", "hypothesis"),
    labels=("entails", "neutral"),
    metrics=("accuracy",),
    folders=("SciTail", "scitail"),
    files={
        split: SplitFile(f"scitail_1.0_{split}.tsv", (0, 1), 2, header=False, columns=3, rows=rows)
        for split, rows in {"train": 23596, "dev": 1304, "test": 2126}.items()
    },
    recipe=Recipe(learning_rate=2e-5, batch_size=32, source="tfglue"),
)

TASKS = (SNLI, SCITAIL)
