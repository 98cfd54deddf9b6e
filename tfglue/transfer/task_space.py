"""The tasks of a library as points in a plane, with lines between the most alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfglue.errors import UserError
from tfglue.figure import new_figure, save_figure
from tfglue.transfer.library import Library
from tfglue.transfer.ranking import rank_sources
from tfglue.transfer.task_class import CLASS_COLOURS, CLASS_MARKERS, CLASS_NAMES, task_class

_EDGES = 2


@dataclass(frozen=True)
class TaskSpace:
    """Similarities of tasks, and where they lie.

    Args:
        names: of the tasks.
        similarity: (tasks, tasks), mean cosines over components.
        positions: (tasks, 2).
        edges: pairs of numbers of tasks, each task with those most like it.
        classes: CR, QA, SL or ? of every task.
    """

    names: Sequence[str]
    similarity: np.ndarray
    positions: np.ndarray
    edges: Sequence[tuple[int, int]]
    classes: Sequence[str]

    @classmethod
    def of(
        cls, library: Library, method: str, components: Sequence[str] = (), center: bool = False
    ) -> "TaskSpace":
        """Classical multidimensional scaling of one less the mean cosine over components.

        Nothing is drawn by chance, so the same library always gives the same picture.
        """
        compared = library.components(method, components)
        if not compared:
            raise UserError(f"--components: none of them is of {method}; there is nothing to map")
        names = sorted(library.members(method))
        place = {name: number for number, name in enumerate(names)}
        similarity = np.eye(len(names))
        for component in compared:
            vectors = library.vectors(method, component)
            for target in names:
                for source, score in rank_sources(vectors, target, center):
                    similarity[place[target], place[source]] += score / len(compared)
        kinds = library.kinds()
        return cls(
            names, similarity, scaled(1 - similarity), strongest(similarity, _EDGES),
            [task_class(kinds.get(name)) for name in names],
        )

    def rows(self) -> list[dict[str, Any]]:
        """What the CSV beside the picture holds: a row a pair of tasks."""
        lines = set(self.edges)
        return [
            {
                "task": one, "class": self.classes[i], "x": self.positions[i, 0],
                "y": self.positions[i, 1], "other": other, "similarity": self.similarity[i, j],
                "line": (min(i, j), max(i, j)) in lines,
            }
            for i, one in enumerate(self.names) for j, other in enumerate(self.names) if i != j
        ]

    def plot(self, path: Path, title: str) -> None:
        """Draws the picture, after figure 3 of Vu et al. (2020): a stronger line, a wider one."""
        figure = new_figure(7.5, 6)
        panel = figure.subplots()
        strengths = np.array([self.similarity[i, j] for i, j in self.edges])
        low, spread = (strengths.min(), np.ptp(strengths) or 1.0) if len(strengths) else (0, 1)
        for (i, j), strength in zip(self.edges, strengths, strict=True):
            panel.plot(
                *self.positions[[i, j]].T, color="#999999", zorder=1,
                linewidth=0.6 + 3 * (strength - low) / spread,
            )
        for name in dict.fromkeys(self.classes):
            own = [number for number, found in enumerate(self.classes) if found == name]
            panel.scatter(
                *self.positions[own].T, marker=CLASS_MARKERS[name], color=CLASS_COLOURS[name],
                s=60, label=CLASS_NAMES[name], zorder=2,
            )
        for name, (x, y) in zip(self.names, self.positions, strict=True):
            panel.annotate(
                name, (x, y), (5, 5), textcoords="offset points", fontsize="small",
                parse_math=False,
            )
        panel.set_title(title, loc="left", fontsize="medium", parse_math=False)
        panel.set(xticks=[], yticks=[])
        panel.margins(0.15)
        panel.legend(fontsize="small", frameon=False)
        save_figure(figure, path)


def scaled(distances: np.ndarray) -> np.ndarray:
    """Points in a plane whose distances are near the given ones (Torgerson 1952), (points, 2)."""
    count = len(distances)
    centring = np.eye(count) - 1 / count
    inner = -centring @ ((distances + distances.T) / 2) ** 2 @ centring / 2
    values, axes = np.linalg.eigh(inner)
    axes = axes[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0))
    # An axis may point either way; the point farthest out is put on the positive side.
    farthest = np.abs(axes).argmax(axis=0)
    found = axes * np.where(axes[farthest, np.arange(axes.shape[1])] < 0, -1, 1)
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))


def strongest(similarity: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of every point with the `count` most like it."""
    pairs = set()
    for i, row in enumerate(similarity):
        others = [j for j in np.argsort(-row, kind="stable") if j != i]
        pairs |= {(min(i, int(j)), max(i, int(j))) for j in others[:count]}
    return sorted(pairs)

