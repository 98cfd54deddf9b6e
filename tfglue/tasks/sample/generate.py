"""Writes the built-in sample data: ``python -m tfglue.tasks.sample.generate``.

The sentences are grammar-made and belong to this project. The same code writes the same bytes; the
files are committed, so nobody has to run this to use the sample.
"""

from collections.abc import Callable
from pathlib import Path

from tfglue import files, tasks
from tfglue.tasks.sample import columns, entailment, layout, questions, reading, similarity, single
from tfglue.tasks.sample.draw import Draw
from tfglue.tasks.sample.tagging import Word, tagged
from tfglue.tasks.squad_text import squad_text
from tfglue.tasks.task import Task

FOLDER = Path(__file__).parent
SEED = 1

# Writes the texts of one row that has the given label.
Writer = Callable[[Draw, str], tuple[str, ...]]
WRITERS: dict[str, Writer] = {
    "cola": single.cola,
    "sst": single.sst,
    "mrpc": similarity.mrpc,
    "qqp": similarity.qqp,
    "stsb": similarity.stsb,
    "mnli": entailment.mnli,
    "ax": entailment.mnli,
    "snli": entailment.snli,
    "qnli": reading.qnli,
    "rte": reading.rte,
    "scitail": reading.scitail,
    "wnli": reading.wnli,
}

# squad2_answerable reads the files of squad2.
QUESTION_TASKS = ("squad", "squad2")

ROWS = {"train": 1002, "dev": 204, "test": 90}
SINGLE_TRAIN_ROWS = 1400
# Entities need the most sentences to be learned, and a sentence of pos takes twice the space.
SENTENCES = {
    "ner": {"train": 600, "dev": 80, "test": 80},
    "chunk": {"train": 360, "test": 80},
    "pos": {"train": 220, "dev": 60, "test": 60},
}
# The halves of MNLI differ in how many of their content words train does not hold.
HELD_OUT_SHARE = {
    "train": 0.0, "dev": 0.3, "test": 0.3, "dev_mismatched": 0.8, "test_mismatched": 0.8,
}  # fmt: skip
# Every question hangs on several words of its passage, answer among them.
QUESTION_HELD_OUT_SHARE = {"train": 0.0, "dev": 0.1}


def rows(task: Task) -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """Texts and label of every row by split: labels in equal numbers, no text twice in a task."""
    labels = task.labels or tuple(similarity.SCORES)
    seen: set[tuple[str, ...]] = set()
    splits = {}
    for split in task.files:
        draw = Draw(f"{SEED} {task.name} {split}", HELD_OUT_SHARE[split])
        size = ROWS[split.split("_")[0]]
        if split == "train" and len(task.text_fields) == 1:
            size = SINGLE_TRAIN_ROWS
        made = []
        while len(made) < size:
            label = labels[len(made) % len(labels)]
            texts = WRITERS[task.name](draw, label)
            if texts not in seen:
                seen.add(texts)
                made.append((texts, label))
        splits[split] = draw.shuffled(made)
    return splits


def sentences(task: Task) -> dict[str, list[list[Word]]]:
    """The tagged sentences of every split, none of them twice in a task."""
    seen: set[str] = set()
    splits: dict[str, list[list[Word]]] = {}
    for split in task.files:
        draw = Draw(f"{SEED} {task.name} {split}", HELD_OUT_SHARE[split] / 5)
        made = splits.setdefault(split, [])
        while len(made) < SENTENCES[task.name][split]:
            words = tagged(draw)
            text = " ".join(word.form for word in words)
            if text not in seen:
                seen.add(text)
                made.append(words)
    return splits


def write(folder: Path) -> None:
    """Writes every split of every task below `folder`, each task in its published folder."""
    for name in WRITERS:
        task = tasks.get(name)
        for split, made in rows(task).items():
            path = folder / task.folders[0] / task.files[split].name
            files.write_text(path, layout.file_text(task, split, made))
    for name in QUESTION_TASKS:
        task = tasks.get(name)
        for split, file in task.files.items():
            draw = Draw(f"{SEED} {name} {split}", QUESTION_HELD_OUT_SHARE[split])
            made = questions.questions(task, split, draw)
            text = squad_text(made, "tfglue sample", task.negatives)
            files.write_text(folder / task.folders[0] / file.name, text)
    for name in SENTENCES:
        task = tasks.get(name)
        for split, made in sentences(task).items():
            path = folder / task.folders[0] / task.files[split].name
            files.write_text(path, columns.column_text(task, split, made))


if __name__ == "__main__":
    write(FOLDER)
