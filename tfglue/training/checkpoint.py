"""Checkpoints to resume from: written beside the last one, synced, then pointed to."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tfglue.errors import UserError
from tfglue.files import atomic_folder, read_json, write_json, write_tensors, write_text

_KEPT = 2


class CheckpointFolder:
    """Whole states of a training run; the newest two are kept.

    A checkpoint is a folder ``update-00000120`` with ``state.json`` and one safetensors file for
    each group of tensors. The file ``latest`` names the newest; it is swapped last, so a kill at
    any moment leaves the checkpoint before.

    Args:
        folder: the run's ``checkpoint`` folder; made at the first save.
        writable: whether `save` and `remove` do anything; one of several workers writes for all.
    """

    def __init__(self, folder: Path, writable: bool = True):
        self.folder = folder
        self.writable = writable

    def save(
        self, update: int, state: Any, groups: Mapping[str, Mapping[str, np.ndarray]]
    ) -> None:
        """Saves a state (JSON) and groups of named tensors after `update` updates."""
        if not self.writable:
            return
        name = f"update-{update:08d}"
        # Training is exact, so what `latest` points to already holds these bytes, and replacing it
        # would leave a moment without it. Another folder of this name may be damaged.
        if self._latest() != name:
            with atomic_folder(self.folder / name) as temporary:
                for group, tensors in groups.items():
                    write_tensors(temporary / f"{group}.safetensors", tensors)
                write_json(temporary / "state.json", state)
        write_text(self.folder / "latest", name + "\n")
        for old in sorted(self.folder.glob("update-*"))[:-_KEPT]:
            if old.name != name:
                shutil.rmtree(old)

    def load(self) -> tuple[Any, dict[str, dict[str, np.ndarray]]] | None:
        """Returns state and tensor groups of the latest checkpoint, or None if there is none.

        Raises:
            UserError: if what the pointer names is damaged; an older one is never taken silently.
        """
        name = self._latest()
        if name is None:
            return None
        pointer, path = self.folder / "latest", self.folder / name
        try:
            groups = {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}
            return read_json(path / "state.json"), groups
        except (SafetensorError, OSError, UserError) as error:
            others = [p.name for p in sorted(self.folder.glob("update-*")) if p != path]
            mend = f"; write '{others[-1]}' into {pointer} to go on from that" if others else ""
            raise UserError(f"{path}: damaged checkpoint ({error}){mend}") from None

    def _latest(self) -> str | None:
        pointer = self.folder / "latest"
        return pointer.read_text(encoding="utf-8").strip() if pointer.exists() else None

    def remove(self) -> None:
        """Deletes all checkpoints: a finished run needs none."""
        if self.writable:
            shutil.rmtree(self.folder, ignore_errors=True)
