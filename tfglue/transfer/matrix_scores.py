"""What every target scored with every source."""

import csv
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfglue.comma_separated import csv_of_records
from tfglue.errors import UserError
from tfglue.files import read_text, write_text
from tfglue.transfer.matrix_plan import ALONE

_COLUMNS = ("target", "source", "seed", "metric", "score")


@dataclass(frozen=True)
class MatrixScores:
    """Main metrics on dev.

    Args:
        scores: target -> source, or `ALONE` -> scores of all seeds.
        metrics: target -> its main metric.
        diverged: trainings that have no score, in words.
    """

    scores: Mapping[str, Mapping[str, list[float]]]
    metrics: Mapping[str, str]
    diverged: Sequence[str] = ()

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "MatrixScores":
        """From rows with ``target``, ``source``, ``seed``, ``metric`` and ``score``.

        A training that diverged has no score and does not count, nor does a target all of whose
        sources did.
        """
        scores: dict[str, dict[str, list[float]]] = {}
        metrics: dict[str, str] = {}
        diverged = []
        for row in rows:
            of_target = scores.setdefault(row["target"], {})
            if row["score"] in (None, ""):
                diverged.append(f"{row['target']} from {row['source']} with seed {row['seed']}")
            else:
                of_target.setdefault(row["source"], []).append(float(row["score"]))
            metrics[row["target"]] = row["metric"]
        left = {name: own for name, own in scores.items() if set(own) - {ALONE}}
        return cls(left, metrics, diverged)

    @classmethod
    def read(cls, path: Path) -> "MatrixScores":
        """Reads what `write_scores` writes. Raises UserError that names the file and the line."""
        reader = csv.DictReader(io.StringIO(read_text(path)))
        if not set(_COLUMNS) <= set(reader.fieldnames or ()):
            raise UserError(f"{path}:1: expected the columns {', '.join(_COLUMNS)}")
        rows = []
        for row in reader:
            try:
                if row["score"] != "" and not math.isfinite(float(row["score"])):
                    raise ValueError
            except (TypeError, ValueError):
                raise UserError(
                    f"{path}:{reader.line_num}: score: expected a number, not '{row['score']}'"
                ) from None
            rows.append(row)
        return cls.of(rows)

    def means(self, target: str) -> dict[str, float]:
        """Source -> mean score over seeds."""
        return {
            source: statistics.fmean(values)
            for source, values in self.scores[target].items() if source != ALONE
        }

    def alone(self, target: str) -> float | None:
        """Mean score without a source, where it is known."""
        values = self.scores[target].get(ALONE)
        return statistics.fmean(values) if values else None

    def gains(self, target: str) -> dict[str, float]:
        """Source -> ``(p_s - p) / p`` (Vu et al. 2020, 4); none where p is unknown or not above 0.
        """
        alone = self.alone(target)
        if not alone or alone < 0:
            return {}
        return {source: (mean - alone) / alone for source, mean in self.means(target).items()}

    @property
    def sources(self) -> list[str]:
        """All sources, in the order they came."""
        return list(dict.fromkeys(
            source for of_target in self.scores.values() for source in of_target if source != ALONE
        ))

    def table(self) -> list[dict[str, Any]]:
        """A row a target and source: mean, spread, gain."""
        rows = []
        for target, of_target in self.scores.items():
            gains = self.gains(target)
            for source, values in of_target.items():
                rows.append({
                    "target": target, "source": source, "metric": self.metrics[target],
                    "seeds": len(values), "mean": statistics.fmean(values),
                    "std": statistics.stdev(values) if len(values) > 1 else None,
                    "gain": gains.get(source),
                })
        return rows


def write_scores(rows: list[Mapping[str, Any]], path: Path) -> None:
    """Writes a row a training."""
    write_text(path, csv_of_records([{name: row[name] for name in _COLUMNS} for row in rows]))
