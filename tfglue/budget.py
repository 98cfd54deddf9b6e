"""What a run will cost, said before it is spent."""

import shutil
from pathlib import Path

from tfglue.config import TrainConfig
from tfglue.errors import UserError

# Weights, two optimizer slots and the best weights, in two checkpoints and the one being written.
_CHECKPOINT_COPIES = 12
_TOTALS = ("total", "trained")


def budget_lines(
    counts: dict[str, int], updates_per_epoch: int, total_updates: int, config: TrainConfig
) -> list[str]:
    """Parameters by part, the trained share, and updates."""
    parts = ", ".join(f"{name} {counts[name]:,}" for name in counts if name not in _TOTALS)
    share = counts["trained"] / counts["total"]
    update = f"{config.batch_size}"
    if config.accumulate > 1:
        update += f" x {config.accumulate}"
    return [
        f"parameters: {counts['total']:,} ({parts}); trained: {counts['trained']:,} ({share:.1%})",
        f"updates: {total_updates} of {update} rows, {updates_per_epoch} an epoch; "
        f"{config.optimizer}, peak rate {config.learning_rate:g}, {config.precision}",
    ]


def check_disk(counts: dict[str, int], output: Path, kept_epochs: int) -> str:
    """One line on the disk a run takes. Raises UserError if there is not room for it."""
    finished = 4 * counts["total"] * (1 + kept_epochs)
    needed = finished + 4 * _CHECKPOINT_COPIES * counts["trained"]
    existing = next(path for path in (output, *output.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise UserError(
            f"--output {output}: the run takes up to {needed / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free; make room or name a folder on another disk"
        )
    return (
        f"disk: {finished / 1e6:.0f} MB when finished, up to {needed / 1e6:.0f} MB "
        f"while training ({free / 1e9:.0f} GB free)"
    )
