"""The embeddings in a folder, of our own and of other programs."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tfglue.errors import UserError
from tfglue.transfer.components import AVERAGE, is_activation
from tfglue.transfer.embedding import TaskEmbedding


def embeddings_under(root: Path) -> list[TaskEmbedding]:
    """All embeddings at any depth, links followed and hidden files left out.

    A folder that holds ``.npy`` files is one. It is named by its manifest or, without one, by its
    own name. Where several would have one name and the same files (``rte/text`` and ``sst/text``),
    those without a manifest are named by the first part of their paths that tells them apart.

    Raises:
        UserError: one is damaged, or the files of the folder itself are no components.
    """
    return _named([TaskEmbedding.read(path) for path in _folders(root)], root)


def _named(embeddings: Sequence[TaskEmbedding], root: Path) -> list[TaskEmbedding]:
    """The embeddings, those without a manifest by names that tell them apart."""
    bare = [one for one in embeddings if one.manifest is None]
    paths = {one.where: Path(one.where).relative_to(root).parts for one in bare}
    for one in bare:
        if not paths[one.where] and not any(map(is_activation, one.vectors)):
            raise UserError(
                f"--library {root}: holds {', '.join(sorted(one.vectors)[:3])} as files; expected "
                f"a folder for each task, with files named by what they are of, as {AVERAGE}.npy"
            )
    if not _clash([(one.name, one) for one in bare]):
        return list(embeddings)
    for place in range(min(map(len, paths.values()))):
        names = [(paths[one.where][place], one) for one in bare]
        if not _clash(names):
            found = {one.where: replace(one, name=name) for name, one in names}
            return [found.get(one.where, one) for one in embeddings]
    return list(embeddings)


def _clash(named: Sequence[tuple[str, TaskEmbedding]]) -> bool:
    """Whether two folders of one name have a file of one name."""
    files = [(name, component) for name, one in named for component in one.vectors]
    return len(set(files)) < len(files)


def _folders(root: Path) -> Iterator[Path]:
    """Folders that hold arrays, hidden ones left out."""
    for path, folders, files in os.walk(root, followlinks=True):
        above = {folder.resolve() for folder in (Path(path), *Path(path).parents)}
        folders[:] = sorted(
            name for name in folders
            # A link to a folder that it is in would never end.
            if not name.startswith(".") and Path(path, name).resolve() not in above
        )
        if any(name.endswith(".npy") and not name.startswith(".") for name in files):
            yield Path(path)
