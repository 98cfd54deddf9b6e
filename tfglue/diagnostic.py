"""GLUE's diagnostic set with its gold labels: scores for each linguistic category."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfglue import tasks
from tfglue.comma_separated import csv_text
from tfglue.errors import UserError, suggestion
from tfglue.tasks.tables import Table

CATEGORIES = ("Lexical Semantics", "Predicate-Argument Structure", "Logic", "Knowledge")
_LABEL = "Label"


@dataclass(frozen=True)
class CategoryScore:
    """Matthews correlation (R_3 of the GLUE paper, section 4) over the rows of one category.

    Args:
        category: a column of the labelled file, or ``all``.
        fine: one of the labels in that column; empty for the category as a whole.
        rows: how many rows it has.
        matthews_correlation: -1 to 1; 0 where gold or predicted labels are all the same.
    """

    category: str
    fine: str
    rows: int
    matthews_correlation: float


@dataclass(frozen=True)
class LabelledDiagnostics:
    """The labelled diagnostic file, in the order of the unlabelled one.

    Args:
        labels: gold labels.
        fine: category -> for each row the fine labels it has in that category.
    """

    labels: list[str]
    fine: dict[str, list[frozenset[str]]]

    @classmethod
    def read(cls, path: str | Path) -> "LabelledDiagnostics":
        """Reads the file that GLUE publishes: columns `CATEGORIES` (fine labels separated by
        ``;``) and ``Label``, one row for each row of the unlabelled file.

        Raises:
            UserError: with file and line, for other columns, labels or numbers of rows.
        """
        task = tasks.get("ax")
        expected = task.files["test"].rows
        table = Table(path)
        labels: list[str] = []
        fine: dict[str, list[frozenset[str]]] = {category: [] for category in CATEGORIES}
        for line, (label, *cells) in table.rows((_LABEL, *CATEGORIES)):
            if label not in task.labels:
                table.problem(
                    line,
                    f"unknown label '{label}'{suggestion(label, task.labels)} "
                    f"(expected {', '.join(task.labels)})",
                )
            labels.append(label)
            for category, cell in zip(CATEGORIES, cells, strict=True):
                parts = (part.strip() for part in cell.split(";"))
                fine[category].append(frozenset(filter(None, parts)))
        if len(labels) != expected:
            raise UserError(f"{path}: {len(labels):,} rows, expected the {expected:,} of AX")
        return cls(labels, fine)

    def scores(self, answers: Sequence[str]) -> list[CategoryScore]:
        """Scores of all rows, of each category, and of each fine label below it.

        Args:
            answers: predicted labels, in the order of the rows.
        """
        found = [self._score("all", "", np.ones(len(self.labels), bool), answers)]
        for category, rows in self.fine.items():
            found.append(self._score(category, "", np.array([bool(row) for row in rows]), answers))
            for name in sorted(set().union(*rows)):
                chosen = np.array([name in row for row in rows])
                found.append(self._score(category, name, chosen, answers))
        return found

    def _score(
        self, category: str, fine: str, chosen: np.ndarray, answers: Sequence[str]
    ) -> CategoryScore:
        from tfglue.metrics import compute

        gold, predicted = np.array(self.labels)[chosen], np.array(answers)[chosen]
        name = "matthews_correlation"
        value = compute((name,), gold, predicted)[name] if chosen.any() else 0.0
        return CategoryScore(category, fine, int(chosen.sum()), value)


def to_json(scores: Sequence[CategoryScore]) -> str:
    """Category -> ``rows`` and ``matthews_correlation``, and under ``fine`` the same for each."""
    content: dict[str, dict] = {}
    for score in scores:
        values = {"rows": score.rows, "matthews_correlation": score.matthews_correlation}
        if score.fine:
            content[score.category].setdefault("fine", {})[score.fine] = values
        else:
            content[score.category] = values
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(scores: Sequence[CategoryScore]) -> str:
    """The same as one row a category or fine label."""
    columns = ("category", "fine", "rows", "matthews_correlation")
    return csv_text(columns, ([getattr(score, name) for name in columns] for score in scores))
