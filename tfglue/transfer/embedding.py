"""The embedding of a task as files: one ``.npy`` a component, under its published name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tfglue.errors import UserError
from tfglue.files import atomic_folder, read_json, write_json
from tfglue.form import check_file
from tfglue.transfer.components import METHODS, is_activation

FORMAT = "tfglue.embedding.v1"
MANIFEST = "manifest.json"

@dataclass(frozen=True)
class ArrayFile:
    """An array of weights, which is read whenever it is used: it may be large.

    Args:
        path: its ``.npy`` file.
        shape: as the file says.
    """

    path: Path
    shape: tuple[int, ...]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(_array(self.path), dtype)


_FORM = {
    "format": str, "method": str, "name": str, "kind": (str, None),
    "encoder": {"name": str, "digest": str},
    "data": {"origin": str, "digest": str, "examples": int, "rows": int, "tokens": int},
    "settings": {str: object},
    "components": {str: [int]}, "vanished?": [str],
}


@dataclass(frozen=True)
class TaskEmbedding:
    """Vectors of one task by one method.

    Args:
        name: of the task.
        vectors: component -> array, or `ArrayFile`.
        manifest: what is known of how they were made; None of files that came without it.
        where: the folder, for messages.
    """

    name: str
    vectors: Mapping[str, np.ndarray | ArrayFile]
    manifest: Mapping[str, Any] | None
    where: str = ""

    def write(self, folder: Path) -> None:
        """Writes the folder at once, in place of what stood there.

        Raises:
            UserError: a vector has no direction to compare, see `check_vector`.
        """
        for name, vector in self.vectors.items():
            check_vector(name, vector, str(folder))
        with atomic_folder(folder) as temporary:
            for name, vector in self.vectors.items():
                np.save(temporary / f"{name}.npy", vector, allow_pickle=False)
            shapes = {name: list(vector.shape) for name, vector in self.vectors.items()}
            write_json(
                temporary / MANIFEST, {"format": FORMAT, **self.manifest, "components": shapes}
            )

    @classmethod
    def read(cls, folder: Path) -> "TaskEmbedding":
        """Reads a folder with or without a manifest.

        Weights stay on disk until they are used, and are checked by whoever compares them.

        Raises:
            UserError: a file is missing, damaged or not as the manifest says, or the vector of an
                activation holds NaN or one and the same number.
        """
        folder = Path(folder)
        files = {
            path.stem: path for path in sorted(folder.glob("*.npy")) if path.name[0] != "."
        }
        manifest = _read_manifest(folder)
        if not files:
            raise UserError(
                f"{folder}: no embedding (no .npy file); make one with python -m tfglue.embed"
            )
        if manifest is not None:
            expected = manifest["components"]
            wrong = sorted(set(files) ^ set(expected))
            if wrong:
                raise UserError(
                    f"{folder}: {', '.join(wrong[:3])} missing or not of this embedding; restore "
                    "the folder"
                )
        vectors = {
            name: _array(path) if is_activation(name) else _array_file(path)
            for name, path in files.items()
        }
        for name, vector in vectors.items():
            if manifest is not None and list(vector.shape) != manifest["components"][name]:
                raise UserError(
                    f"{files[name]}: shape {list(vector.shape)}, expected "
                    f"{manifest['components'][name]}; restore the file"
                )
            if is_activation(name):
                check_vector(name, vector, str(folder))
        name = folder.absolute().name if manifest is None else manifest["name"]
        return cls(name, vectors, manifest, str(folder))

    @property
    def kind(self) -> str | None:
        """The kind of the task, where it is known."""
        return None if self.manifest is None else self.manifest["kind"]


def check_vector(name: str, vector: np.ndarray | ArrayFile, where: str) -> None:
    """Raises UserError for NaN, and for an activation's vector of one and the same number.

    Of a head's weights (two classes, biases) equal scores are as it should be.
    """
    values = np.asarray(vector)
    if not np.isfinite(values).all():
        raise UserError(f"{where}: {name} holds NaN or infinite numbers; embed the task again")
    if is_activation(name) and (values.size < 2 or values.max() == values.min()):
        raise UserError(
            f"{where}: {name} is constant, so nothing can be compared with it; embed the task again"
        )


def write_embedding(
    folder: Path, name: str, vectors: Mapping[str, np.ndarray], facts: Mapping[str, Any]
) -> TaskEmbedding:
    """Writes and returns an embedding; `facts` is its manifest but for format and components."""
    embedding = TaskEmbedding(name, vectors, {"name": name, **facts}, str(folder))
    embedding.write(folder)
    return TaskEmbedding.read(folder)


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / MANIFEST
    if not path.is_file():
        return None
    content = read_json(path)
    check_file(content, FORMAT, _FORM, path)
    if content["method"] not in METHODS:
        raise UserError(f"{path}: method: expected one of {', '.join(METHODS)}; restore the file")
    return content


def _array_file(path: Path) -> ArrayFile:
    return ArrayFile(path, _array(path, "r").shape)  # Mapped, so that the header alone is read.


def _array(path: Path, mode: Literal["r"] | None = None) -> np.ndarray:
    try:
        vector = np.load(path, mmap_mode=mode, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(
            f"{path}: cannot be read as an array ({str(error).splitlines()[0]}); restore the file"
        ) from None
    if not isinstance(vector, np.ndarray) or vector.dtype.kind not in "fiu":
        raise UserError(f"{path}: expected an array of numbers; restore the file")
    return vector
