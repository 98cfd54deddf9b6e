"""What an ensemble got right and its members did not: scores, tables of errors, second answers."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tfglue.aligned_table import aligned_table
from tfglue.ensemble_members import ENSEMBLE
from tfglue.ensemble_plot import plot_ensemble
from tfglue.files import write_json, write_text
from tfglue.predictions.predictions import Predictions
from tfglue.run_folder import RunFolder

FORMAT = "tfglue.ensemble.v1"
_WORDS = {True: "1", False: "0"}


class EnsembleReport:
    """Members and their ensemble on the same examples, side by side.

    Of examples without labels there are predictions alone. Scores (regression) are nearer or
    farther, not right or wrong, so tables say how far off they are.

    Args:
        members: name -> what it answers.
        ensemble: what they answer together.
        split: name of the split.
        mode: how they were combined.
    """

    def __init__(
        self, members: Mapping[str, Predictions], ensemble: Predictions, split: str, mode: str
    ):
        self.members = dict(members)
        self.ensemble = ensemble
        self.task = ensemble.task
        self.examples = ensemble.examples
        self.split = split
        self.mode = mode

    @cached_property
    def scores(self) -> dict[str, dict[str, float]]:
        """Metrics and loss of every member, the ensemble last; empty without labels."""
        if not self.examples.labelled:
            return {}
        return {name: found.score() for name, found in self._all.items()}

    @cached_property
    def right(self) -> dict[str, np.ndarray]:
        """Which answers are right, bool (examples,); empty where none is right or wrong."""
        if not self.examples.labelled or self.ensemble.right is None:
            return {}
        return {name: found.right for name, found in self._all.items()}

    @cached_property
    def alone(self) -> dict[str, np.ndarray]:
        """Member -> the examples that it alone gets right, bool (examples,)."""
        members = [self.right[name] for name in self.members if self.right]
        once = np.sum(members, axis=0) == 1
        return {name: self.right[name] & once for name in self.members if self.right}

    def metrics(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the ensemble's as of any run, then how it came about.

        Under ``ensemble``: mode, number and digest of the examples, ``members`` and their metrics;
        ``right_answers`` counts examples that all, any, and none of the members get right, and for
        each member those that it alone does, with the mean of their words, and how many of them
        the ensemble gets right, too.
        """
        about: dict[str, Any] = {
            "format": FORMAT,
            "mode": self.mode,
            "rows": len(self.examples),
            "digest": self.examples.digest(),
            "members": {name: self.scores.get(name, {}) for name in self.members},
        }
        if self.right:
            members = [self.right[name] for name in self.members]
            about["right_answers"] = {
                "all": int(np.all(members, axis=0).sum()),
                "any": int(np.any(members, axis=0).sum()),
                "none": int((~np.any(members, axis=0)).sum()),
                "ensemble": int(self.right[ENSEMBLE].sum()),
                "only": {
                    name: {
                        "examples": int(chosen.sum()),
                        "mean_words": self._mean_words(chosen),
                        "ensemble_right": int((self.right[ENSEMBLE] & chosen).sum()),
                    }
                    for name, chosen in self.alone.items()
                },
            }
        return {
            self.task.name: {self.split: self.scores[ENSEMBLE]} if self.scores else {},
            "main": {self.task.name: self.task.main_metric},
            ENSEMBLE: about,
        }

    @cached_property
    def second_best(self) -> dict[str, dict[str, float]]:
        """Of members and ensemble: the scores of their second-best answers, over all examples.

        ``wrong`` counts answers that are wrong, ``second_right`` those of them whose second-best
        answer is right; ``share`` is their ratio, 0 where no answer is wrong. Empty where there are
        no second answers, as of tags and scores.
        """
        if not self.right:
            return {}
        found = {}
        for name, predictions in self._all.items():
            scores = predictions.second_scores()
            if scores:
                wrong = ~self.right[name]
                second = int((next(iter(scores.values())) == 1)[wrong].sum())
                found[name] = {
                    "wrong": int(wrong.sum()),
                    "second_right": second,
                    "share": second / max(int(wrong.sum()), 1),
                    **{metric: float(values.mean()) for metric, values in scores.items()},
                }
        return found

    def rows(self) -> list[dict[str, Any]]:
        """A row for every member and the ensemble: what ``ensemble.csv`` holds."""
        rows = []
        for name, scores in self.scores.items():
            row: dict[str, Any] = {"run": name, **scores}
            if self.right:
                row["right"] = int(self.right[name].sum())
                chosen = self.alone.get(name)
                row["alone_right"] = None if chosen is None else int(chosen.sum())
                row["alone_words"] = None if chosen is None else self._mean_words(chosen)
            if self.second_best:
                row["second_right_share"] = self.second_best[name]["share"]
            rows.append(row)
        return rows

    def lines(self) -> list[str]:
        """The table for the terminal, and what the ensemble gains."""
        title = f"{self.task.name} {self.split}: {len(self.examples):,} examples, mode {self.mode}"
        if not self.scores:
            return [f"{title}; no labels, so predictions alone"]
        rows = self.rows()
        cells = [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows]
        main = self.task.main_metric
        best = max(self.scores[name][main] for name in self.members)
        lines = [title, *aligned_table(cells, text=(0,))]
        lines.append(
            f"{main}: ensemble {self.scores[ENSEMBLE][main] - best:+.4f} against the best member"
        )
        if self.right:
            counts = self.metrics()[ENSEMBLE]["right_answers"]
            lines.append(
                f"right answers: {counts['all']} by all members, {counts['any']} by any, "
                f"{counts['none']} by none"
            )
        return lines

    def write(self, folder: Path) -> None:
        """Writes predictions, scores, tables and the plot. Raises CannotWrite.

        Args:
            folder: where to; a new one.
        """
        self.ensemble.write(RunFolder(folder).predictions(self.task.name, self.split))
        if self.scores:
            rows = self.rows()
            write_text(
                folder / "ensemble.csv", _csv(list(rows[0]), (list(row.values()) for row in rows))
            )
            write_text(folder / "errors.csv", _csv(*self._errors()))
            plot_ensemble(self, folder / "ensemble.png")
        if self.right:
            write_text(folder / "only_one_right.csv", _csv(*self._only_one_right()))
        if self.second_best:
            write_json(folder / "second_best.json", self.second_best)
        write_json(folder / "metrics.json", self.metrics())

    @property
    def _all(self) -> dict[str, Predictions]:
        return {**self.members, ENSEMBLE: self.ensemble}

    def _mean_words(self, chosen: np.ndarray) -> float | None:
        return float(self.examples.word_counts[chosen].mean()) if chosen.any() else None

    def _errors(self) -> tuple[list[str], Iterable[Sequence[Any]]]:
        """Header and a row an example."""
        header, columns = ["id", "gold"], [self.examples.ids, self.ensemble.gold_texts]
        for name, predictions in self._all.items():
            header += [name, f"{name}: right" if self.right else f"{name}: error"]
            columns += [predictions.answer_texts, self._marks(name, predictions)]
        header += ["words", "text"]
        columns += [self.examples.word_counts.tolist(), self.examples.shown_texts]
        return header, zip(*columns, strict=True)

    def _marks(self, name: str, predictions: Predictions) -> list[Any]:
        """Whether answers are right, 1 or 0, or how far off they are."""
        if self.right:
            return [_WORDS[bool(right)] for right in self.right[name]]
        pairs = zip(predictions.answer_texts, predictions.gold_texts, strict=True)
        return [f"{abs(float(answer) - float(gold)):.6g}" for answer, gold in pairs]

    def _only_one_right(self) -> tuple[list[str], Iterable[Sequence[Any]]]:
        """Header and a row for every example that exactly one member gets right."""
        header = ["id", "gold", "right", "ensemble", "ensemble: right", "words", "text"]
        golds, answers = self.ensemble.gold_texts, self.ensemble.answer_texts
        words, texts = self.examples.word_counts, self.examples.shown_texts
        rows = [
            [self.examples.ids[row], golds[row], name, answers[row],
             _WORDS[bool(self.right[ENSEMBLE][row])], int(words[row]), texts[row]]
            for row in range(len(self.examples))
            for name, chosen in self.alone.items() if chosen[row]
        ]
        return header, rows


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
