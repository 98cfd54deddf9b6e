"""Question answering on passages: SQuAD 1.1 and 2.0, and data sets brought in its JSON."""

from tfglue.tasks.task import Recipe, SquadFile, Task, TfdsSource

QUESTION_FIELDS = ("question", "context")
# Metrics of each kind of task on questions. Those of spans come from answers, not from labels.
QUESTION_METRICS = {
    "span": ("f1", "exact_match"),
    "answerable": ("average_precision", "accuracy"),
}
ANSWERABLE_LABELS = ("answerable", "unanswerable")

_RECIPE = Recipe(
    max_length=384, learning_rate=2e-5, batch_size=16, source="BERTVision replication settings"
)
_TFDS_SPLITS = {"train": "train", "dev": "validation"}
_FOLDERS = ("squad", "SQuAD")
_SQUAD2_FILES = {
    "train": SquadFile("train-v2.0.json", rows=130319),
    "dev": SquadFile("dev-v2.0.json", rows=11873),
}

SQUAD = Task(
    name="squad",
    kind="span",
    text_fields=QUESTION_FIELDS,
    metrics=QUESTION_METRICS["span"],
    folders=(*_FOLDERS, "squad-v1.1"),
    files={
        "train": SquadFile("train-v1.1.json", rows=87599),
        "dev": SquadFile("dev-v1.1.json", rows=10570),
    },
    tfds=TfdsSource("squad/v1.1", _TFDS_SPLITS),
    recipe=_RECIPE,
    aliases=("squad1", "squad-1"),
)

SQUAD2 = Task(
    name="squad2",
    kind="span",
    text_fields=QUESTION_FIELDS,
    metrics=QUESTION_METRICS["span"],
    negatives=True,
    folders=(*_FOLDERS, "squad-v2.0"),
    files=_SQUAD2_FILES,
    tfds=TfdsSource("squad/v2.0", _TFDS_SPLITS),
    recipe=_RECIPE,
    aliases=("squad-2",),
)

SQUAD2_ANSWERABLE = Task(
    name="squad2_answerable",
    kind="answerable",
    text_fields=QUESTION_FIELDS,
    labels=ANSWERABLE_LABELS,
    metrics=QUESTION_METRICS["answerable"],
    negatives=True,
    folders=SQUAD2.folders,
    files=_SQUAD2_FILES,
    tfds=SQUAD2.tfds,
    recipe=_RECIPE,
)


def _brought(name: str, *folders: str) -> Task:
    """A task of the transferability paper whose data the user brings in SQuAD's JSON.

    The paper's runs take questions without an answer for SQuAD 2.0 alone, so none of these does.
    """
    return Task(
        name=name,
        kind="span",
        text_fields=QUESTION_FIELDS,
        metrics=QUESTION_METRICS["span"],
        folders=folders,
        files={"train": SquadFile("train.json"), "dev": SquadFile("dev.json")},
        recipe=_RECIPE,
    )


# NewsQA (Trischler et al. 2017), HotpotQA (Yang et al. 2018), DuoRC on paraphrased plots and on
# the plots themselves (Saha et al. 2018), DROP (Dua et al. 2019), WikiHop (Welbl et al. 2018),
# BoolQ (Clark et al. 2019), ComQA (Abujabal et al. 2019), ComplexQuestions (Bao et al. 2016).
NEWSQA = _brought("newsqa", "NewsQA")
HOTPOTQA = _brought("hotpotqa", "HotpotQA")
DUORC_P = _brought("duorc_p", "DuoRC_p", "DuoRC-p")
DUORC_S = _brought("duorc_s", "DuoRC_s", "DuoRC-s")
DROP = _brought("drop", "DROP")
WIKIHOP = _brought("wikihop", "WikiHop")
BOOLQ = _brought("boolq", "BoolQ")
COMQA = _brought("comqa", "ComQA")
CQ = _brought("cq", "CQ")

TASKS = (
    SQUAD, SQUAD2, SQUAD2_ANSWERABLE,
    NEWSQA, HOTPOTQA, DUORC_P, DUORC_S, DROP, WIKIHOP, BOOLQ, COMQA, CQ,
)  # fmt: skip
