"""The GLUE tasks (Wang et al. 2018) and its diagnostic set, in the layout of the GLUE download."""

from dataclasses import replace

from tfglue.tasks.task import Recipe, SplitFile, Submission, Task, TfdsSource

# Replication settings published with BERTVision (its README); see docs/results.md.
_SOURCE = "BERTVision replication settings"
_LARGE = Recipe(learning_rate=1e-5, batch_size=32, source=_SOURCE)
_MEDIUM = Recipe(learning_rate=2e-5, batch_size=32, source=_SOURCE)
_SMALL = Recipe(learning_rate=2e-5, batch_size=16, source=_SOURCE)

_TFDS_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
_NLI_TEXT = ("sentence1", "sentence2")


def _table(
    *text: str, label: str = "label", rows: tuple[int, int, int], **options
) -> dict[str, SplitFile]:
    """Train, dev and unlabelled test file, all with a header that names the columns."""
    train, dev, test = rows
    return {
        "train": SplitFile("train.tsv", text, label, rows=train, **options),
        "dev": SplitFile("dev.tsv", text, label, rows=dev, **options),
        "test": SplitFile("test.tsv", text, rows=test),
    }


COLA = Task(
    name="cola",
    kind="classify",
    text_fields=("sentence",),
    labels=("unacceptable", "acceptable"),
    file_labels=("0", "1"),
    metrics=("matthews_correlation", "accuracy"),
    folders=("CoLA",),
    files={
        "train": SplitFile("train.tsv", (3,), 1, header=False, columns=4, rows=8551),
        "dev": SplitFile("dev.tsv", (3,), 1, header=False, columns=4, rows=1043),
        "test": SplitFile("test.tsv", ("sentence",), rows=1063),
    },
    tfds=TfdsSource("glue/cola", _TFDS_SPLITS),
    recipe=_SMALL,
    submissions=(Submission("CoLA.tsv"),),
)

SST = Task(
    name="sst",
    kind="classify",
    text_fields=("sentence",),
    labels=("negative", "positive"),
    file_labels=("0", "1"),
    metrics=("accuracy",),
    folders=("SST-2",),
    files=_table("sentence", rows=(67349, 872, 1821)),
    tfds=TfdsSource("glue/sst2", _TFDS_SPLITS),
    recipe=_MEDIUM,
    aliases=("sst2", "sst-2"),
    submissions=(Submission("SST-2.tsv"),),
)

MRPC = Task(
    name="mrpc",
    kind="classify",
    text_fields=("sentence1", "sentence2"),
    labels=("not_equivalent", "equivalent"),
    file_labels=("0", "1"),
    metrics=("accuracy_and_f1", "accuracy", "f1"),
    folders=("MRPC",),
    files=_table("#1 String", "#2 String", label="Quality", rows=(3668, 408, 1725)),
    tfds=TfdsSource("glue/mrpc", _TFDS_SPLITS),
    recipe=_MEDIUM,
    aliases=("msr",),
    submissions=(Submission("MRPC.tsv"),),
)

QQP = Task(
    name="qqp",
    kind="classify",
    text_fields=("question1", "question2"),
    labels=("not_duplicate", "duplicate"),
    file_labels=("0", "1"),
    metrics=("accuracy_and_f1", "accuracy", "f1"),
    folders=("QQP",),
    files=_table(
        "question1",
        "question2",
        label="is_duplicate",
        rows=(363846, 40430, 390965),
        skip_broken_rows=True,
    ),
    tfds=TfdsSource("glue/qqp", _TFDS_SPLITS),
    recipe=_LARGE,
    submissions=(Submission("QQP.tsv"),),
)

STSB = Task(
    name="stsb",
    kind="regress",
    text_fields=("sentence1", "sentence2"),
    metrics=("pearson_and_spearman", "pearson", "spearman"),
    score_range=(0.0, 5.0),
    folders=("STS-B",),
    files=_table("sentence1", "sentence2", label="score", rows=(5749, 1500, 1379)),
    tfds=TfdsSource("glue/stsb", _TFDS_SPLITS),
    recipe=_SMALL,
    aliases=("sts-b", "sts"),
    submissions=(Submission("STS-B.tsv"),),
)

MNLI = Task(
    name="mnli",
    kind="classify",
    text_fields=("premise", "hypothesis"),
    labels=("entailment", "neutral", "contradiction"),
    metrics=("accuracy",),
    folders=("MNLI",),
    files={
        "train": SplitFile("train.tsv", _NLI_TEXT, "gold_label", rows=392702),
        "dev": SplitFile("dev_matched.tsv", _NLI_TEXT, "gold_label", rows=9815),
        "dev_mismatched": SplitFile("dev_mismatched.tsv", _NLI_TEXT, "gold_label", rows=9832),
        "test": SplitFile("test_matched.tsv", _NLI_TEXT, rows=9796),
        "test_mismatched": SplitFile("test_mismatched.tsv", _NLI_TEXT, rows=9847),
    },
    tfds=TfdsSource(
        "glue/mnli",
        {
            "train": "train",
            "dev": "validation_matched",
            "dev_mismatched": "validation_mismatched",
            "test": "test_matched",
            "test_mismatched": "test_mismatched",
        },
    ),
    recipe=_LARGE,
    aliases=("mnli-m", "mnli-mm"),
    submissions=(
        Submission("MNLI-m.tsv"),
        Submission("MNLI-mm.tsv", "test_mismatched"),
    ),
)

QNLI = Task(
    name="qnli",
    kind="classify",
    text_fields=("question", "sentence"),
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    folders=("QNLI",),
    files=_table("question", "sentence", rows=(104743, 5463, 5463)),
    tfds=TfdsSource("glue/qnli", _TFDS_SPLITS),
    recipe=_LARGE,
    submissions=(Submission("QNLI.tsv"),),
)

RTE = Task(
    name="rte",
    kind="classify",
    text_fields=("sentence1", "sentence2"),
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    folders=("RTE",),
    files=_table("sentence1", "sentence2", rows=(2490, 277, 3000)),
    tfds=TfdsSource("glue/rte", _TFDS_SPLITS),
    recipe=Recipe(max_length=250, learning_rate=2e-5, batch_size=16, source=_SOURCE),
    submissions=(Submission("RTE.tsv"),),
)

WNLI = Task(
    name="wnli",
    kind="classify",
    text_fields=("sentence1", "sentence2"),
    labels=("not_entailment", "entailment"),
    file_labels=("0", "1"),
    metrics=("accuracy",),
    folders=("WNLI",),
    files=_table("sentence1", "sentence2", rows=(635, 71, 146)),
    tfds=TfdsSource("glue/wnli", _TFDS_SPLITS),
    recipe=_SMALL,
    submissions=(Submission("WNLI.tsv", majority="0"),),
)

AX = Task(
    name="ax",
    kind="classify",
    text_fields=("premise", "hypothesis"),
    labels=MNLI.labels,
    metrics=("matthews_correlation", "accuracy"),
    folders=("diagnostic", "AX"),
    files={"test": SplitFile("diagnostic.tsv", _NLI_TEXT, rows=1104)},
    tfds=TfdsSource("glue/ax", {"test": "test"}),
    recipe=_LARGE,
    aliases=("diagnostic", "diagnostics"),
    predicted_by="mnli",
    submissions=(Submission("AX.tsv"),),
)

# Ranked as in version 1 of QNLI; MT-DNN calls it qnnli. The leaderboard's file is that of qnli.
QNLI_RANK = replace(
    QNLI, name="qnli_rank", kind="rank", partial_groups=True, aliases=("qnnli",), submissions=()
)

TASKS = (COLA, SST, MRPC, QQP, STSB, MNLI, QNLI, RTE, WNLI, AX, QNLI_RANK)

GROUPS = {
    "glue8": ("cola", "mrpc", "mnli", "rte", "stsb", "sst", "qqp", "qnli"),
    "glue9": ("cola", "mrpc", "mnli", "rte", "stsb", "sst", "qqp", "qnli", "wnli"),
    "inf": ("qnli", "mnli", "rte"),
}
