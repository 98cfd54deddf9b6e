"""Pictures of a search: its trials in parallel coordinates, its progress, what mattered."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfglue.figure import new_figure, save_figure
from tuning.dimension import Dimension, Value
from tuning.importance import Importance
from tuning.trial_record import FINISHED, TrialRecord

_COLOUR = "#1f6fb2"
_BEST = "#d9791e"


def plot_parallel(
    records: Sequence[TrialRecord],
    space: Mapping[str, Dimension],
    best: TrialRecord,
    metric: str,
    path: Path,
) -> None:
    """Draws each trial as a line over one axis a parameter, and its score last; the best on top.

    Args:
        records: trials with a score.
        space: parameter -> dimension.
        best: the best of them.
        metric: what the score is.
        path: where the picture goes.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scores = np.array([record.score for record in records])
    low, high = float(scores.min()), float(scores.max())
    spread = (high - low) or 1.0
    norm, colours = Normalize(low, low + spread), colormaps["viridis"]
    figure = new_figure(2.2 + 1.7 * (len(space) + 1), 4.6)
    panel = figure.add_subplot()
    # Trials of one value would lie on each other; they are set apart by their order.
    apart = {record.trial: (place + 0.5) / len(records) - 0.5
             for place, record in enumerate(sorted(records, key=lambda one: one.trial))}

    def line(record: TrialRecord) -> list[float]:
        heights = [
            dimension.position(record.values[name])
            + (0.05 * apart[record.trial] if dimension.spread == "choice" else 0.0)
            for name, dimension in space.items()
        ]
        return [*heights, (record.score - low) / spread]

    axes = range(len(space) + 1)
    for record in sorted(records, key=lambda one: one.score):
        panel.plot(axes, line(record), color=colours(norm(record.score)), linewidth=1, alpha=0.75)
    panel.plot(axes, line(best), color=_BEST, linewidth=2.5, label=f"best, trial {best.trial}")
    for place, dimension in enumerate(space.values()):
        _axis(panel, place, [(dimension.position(v), _short(v)) for v in _ticks(dimension)])
    _axis(panel, len(space), [(s, f"{low + s * spread:.4g}") for s in (0, 0.25, 0.5, 0.75, 1)])
    panel.set_xticks(axes, [*space, metric], fontsize="medium", parse_math=False)
    panel.set_yticks([])
    panel.set_xlim(-0.15, len(space) + 0.35)
    panel.set_ylim(-0.06, 1.06)
    panel.spines[:].set_visible(False)
    panel.tick_params(axis="x", length=0, pad=8)
    panel.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize="small")
    figure.colorbar(ScalarMappable(norm, colours), ax=panel, label=metric, pad=0.02)
    save_figure(figure, path)


def plot_progress(
    records: Sequence[TrialRecord],
    elapsed: Mapping[int, float],
    higher_is_better: bool,
    metric: str,
    path: Path,
) -> None:
    """Draws the score of every trial, and the best so far, against trials and minutes.

    The best is that of runs which are finished; what Hyperband paused is none yet.

    Args:
        records: trials with a score.
        elapsed: trial -> seconds of searching until it was over.
        higher_is_better: the direction of the score.
        metric: what the score is.
        path: where the picture goes.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(9, 3.8)
    left, right = figure.subplots(1, 2, sharey=True)
    over = sorted(records, key=lambda record: elapsed.get(record.trial, 0.0))
    scores = np.array([record.score for record in over])
    # Not all that is scored is a run trained to its end; what is not is hollow.
    whole = np.array([record.status == FINISHED for record in over])
    complete = np.array([record.complete for record in over])
    accumulate = np.maximum.accumulate if higher_is_better else np.minimum.accumulate
    minutes = np.array([elapsed.get(record.trial, 0.0) / 60 for record in over])
    order = np.arange(1, len(over) + 1)
    for panel, places, label in ((left, order, "trials"), (right, minutes, "minutes")):
        for chosen, face, name in (
            (whole, _COLOUR, "finished"), (~whole, "white", "stopped early or paused")
        ):
            if chosen.any():
                panel.scatter(places[chosen], scores[chosen], s=20, facecolor=face,
                              edgecolor=_COLOUR, linewidth=1, label=name, zorder=3)
        best, since = accumulate(scores[complete]), places[complete]
        panel.step([*since, places[-1]], [*best, best[-1]], where="post", color=_BEST,
                   label="best so far")
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_xlim(left=0)
    left.set_ylabel(metric)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3,
                  fontsize="small", frameon=False)
    save_figure(figure, path)


def plot_importance(found: Importance, trials: int, metric: str, path: Path) -> None:
    """Draws what each parameter adds to a forest's predictions of the score.

    Args:
        found: the importance.
        trials: how many it is of.
        metric: what the score is.
        path: where the picture goes.
    """
    figure = new_figure(7, 1.6 + 0.45 * len(found.permuted))
    panel = figure.add_subplot()
    names = sorted(found.permuted, key=found.permuted.get)
    values = [found.permuted[name] for name in names]
    panel.barh(range(len(names)), values, 0.6, color="#dbe9f6", edgecolor=_COLOUR)
    widest = max(map(abs, values)) or 1.0
    for place, name in enumerate(names):
        correlation = found.rank_correlation[name]
        if correlation is not None:
            panel.annotate(
                f"ρ = {correlation:+.2f}", (max(values[place], 0.0) + 0.02 * widest, place),
                va="center", fontsize="small",
            )
    panel.axvline(0, color="#444444", linewidth=1)
    panel.set_yticks(range(len(names)), names, parse_math=False)
    panel.set_xlim(min(0.0, *values) - 0.05 * widest, max(0.0, *values) + 0.25 * widest)
    panel.set_xlabel("rise of the squared error when shuffled, as a share of the variance")
    panel.set_title(
        f"{metric} over {trials} trials: a random forest explains {max(found.explained, 0):.0%} "
        "of the variance\nof trials it has not seen; ρ: rank correlation with the score",
        fontsize="small", loc="left", parse_math=False,
    )
    panel.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def _axis(panel, place: int, ticks: Sequence[tuple[float, str]]) -> None:
    panel.axvline(place, color="#444444", linewidth=1, zorder=0.5)
    for height, text in ticks:
        panel.annotate(
            text, (place, height), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize="x-small", zorder=5,
            bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5},
        )


def _ticks(dimension: Dimension) -> list[Value]:
    return dimension.points(4)


def _short(value: Value) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 18 else f"{text[:17]}…"
