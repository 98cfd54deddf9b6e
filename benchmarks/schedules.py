"""Draws the learning-rate schedules: ``python benchmarks/schedules.py docs/schedules.png``."""

import sys

import matplotlib.pyplot as plt

from tfglue.command_line import quiet_tensorflow

PER_EPOCH, EPOCHS, WARMUP = 100, 3, 0.1


def main(path: str) -> None:
    quiet_tensorflow()
    from tfglue.training.schedule import SCHEDULES, build_schedule

    total = PER_EPOCH * EPOCHS
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    for name in SCHEDULES:
        schedule = build_schedule(name, 1.0, WARMUP, total, PER_EPOCH)
        axes.plot([float(schedule(step)) for step in range(total)], label=name)
    for epoch in range(1, EPOCHS):
        axes.axvline(epoch * PER_EPOCH, color="0.8", linewidth=1, zorder=0)
    axes.set(xlabel=f"update ({PER_EPOCH} an epoch)", ylabel="share of the peak rate")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    main(sys.argv[1])
