"""The embeddings in a folder, of our own and of other programs."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.transfer.components import AVERAGE, is_activation
from tfglue.transfer.embedding import TaskEmbedding


def embeddings_under(root: Path) -> list[TaskEmbedding]:
    """All embeddings at any depth, hidden files left out, and links followed that lead outside.

    A folder that holds ``.npy`` files is one. It is named by its manifest or, without one, by its
    own name. Where several folders without one have a name and a file in common, and the name is
    that of no task (``rte/text`` and ``sst/text``), all folders of that name are named by the first
    part of their paths that tells them apart.

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
    names: dict[str, str] = {}
    for name in {one.name for one in bare}:
        alike = [one for one in bare if one.name == name]
        files = [component for one in alike for component in one.vectors]
        if len(set(files)) == len(files) or tasks.find(name):
            continue
        for parts in zip(*(paths[one.where] for one in alike), strict=False):
            if len(set(parts)) == len(parts):
                names |= {one.where: part for one, part in zip(alike, parts, strict=True)}
                break
    return [replace(one, name=names.get(one.where, one.name)) for one in embeddings]


def _folders(root: Path) -> Iterator[Path]:
    """Folders that hold arrays, each of them once."""
    inside = root.resolve()
    for path, folders, files in os.walk(root, followlinks=True):
        way = {folder.resolve() for folder in (Path(path), *Path(path).parents)}
        above = {*way, *(folder for place in way for folder in place.parents)}
        folders[:] = sorted(
            name for name in folders
            if not name.startswith(".") and not _leads_back(Path(path, name), inside, above)
        )
        if any(name.endswith(".npy") and not name.startswith(".") for name in files):
            yield Path(path)


def _leads_back(folder: Path, inside: Path, above: Collection[Path]) -> bool:
    """Whether it is a link to something that is read without it, or that it is in itself."""
    if not folder.is_symlink():
        return False
    place = folder.resolve()
    return place in above or place == inside or inside in place.parents
