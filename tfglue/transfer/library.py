"""A folder of embeddings of tasks, of which all that are compared were made alike."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfglue.errors import UserError, suggestion
from tfglue.transfer.components import (
    AVERAGE,
    METHODS,
    is_activation,
    layer_of_output,
    method_of,
)
from tfglue.transfer.embedding import TaskEmbedding, check_vector
from tfglue.transfer.library_folder import embeddings_under

# What may differ between embeddings that are compared: rows of SQuAD are longer than others.
_MAY_DIFFER = ("max_length",)


class Library:
    """Embeddings by method and task.

    Of an embedding without a manifest the names of its files say which method made them.

    Args:
        folder: for messages.
        embeddings: in any order.

    Raises:
        UserError: there is none, two are of one task and method, or those of one method were made
            by different encoders or settings.
    """

    def __init__(self, folder: Path, embeddings: Sequence[TaskEmbedding]):
        self.folder = Path(folder)
        self.by_method: dict[str, dict[str, TaskEmbedding]] = {}
        for embedding in embeddings:
            for method, own in _split(embedding).items():
                self._add(method, own)
        if not self.by_method:
            raise UserError(
                f"--library {self.folder}: holds no embedding; make some with python -m "
                f"tfglue.embed --output {self.folder / 'TASK'}"
            )
        for members in self.by_method.values():
            check_alike(list(members.values()))

    @classmethod
    def read(cls, folder: str | Path) -> "Library":
        """Reads all embeddings under a folder. Raises UserError for what is none or damaged."""
        folder = Path(folder)
        if not folder.is_dir():
            raise UserError(f"--library {folder}: no such folder")
        return cls(folder, embeddings_under(folder))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that there are embeddings of, TextEmb first."""
        return tuple(method for method in METHODS if method in self.by_method)

    @property
    def names(self) -> list[str]:
        """All tasks."""
        return sorted({name for members in self.by_method.values() for name in members})

    def kinds(self) -> dict[str, str]:
        """Task -> its kind, where a manifest says it."""
        return {
            name: embedding.kind
            for members in self.by_method.values()
            for name, embedding in members.items() if embedding.kind
        }

    def is_text_alone(self, name: str) -> bool:
        """Whether a task is known as texts without labels."""
        own = [members[name] for members in self.by_method.values() if name in members]
        return all(one.manifest is not None and one.kind is None for one in own)

    def sizes(self) -> dict[str, int]:
        """Task -> number of examples that it was embedded with, where a manifest says it."""
        return {
            name: embedding.manifest["data"]["examples"]
            for members in self.by_method.values()
            for name, embedding in members.items() if embedding.manifest
        }

    def members(self, method: str) -> dict[str, TaskEmbedding]:
        """Task -> embedding by one method. Raises UserError where there are none."""
        if method not in self.by_method:
            raise UserError(
                f"--methods: {self.folder} has no embeddings by '{method}'"
                f"{suggestion(method, self.methods)} (it has {', '.join(self.methods)})"
            )
        return self.by_method[method]

    def with_embedding(self, embedding: TaskEmbedding) -> "Library":
        """This library with an embedding, in place of those of the same task and method."""
        own = _split(embedding)
        kept = [
            one for method, members in self.by_method.items() for name, one in members.items()
            if not (method in own and name == embedding.name)
        ]
        return Library(self.folder, [*kept, embedding])

    def components(self, method: str, chosen: Sequence[str] = ()) -> list[str]:
        """The components that tasks are compared by.

        By default TextEmb's ``avg_sequence_output``; of TaskEmb the outputs of all layers, but for
        those whose gradients cancel in some task (the last layer's, in questions); where there are
        none, whatever all tasks have.

        Args:
            method: one of `methods`.
            chosen: other components, of which those of this method are taken.

        Raises:
            UserError: a task lacks a component that others have and that is compared, or has it in
                another shape; or nothing is common to all.
        """
        members = self.members(method)
        found = list(dict.fromkeys(name for one in members.values() for name in one.vectors))
        vanished = {
            name for one in members.values() if one.manifest
            for name in one.manifest.get("vanished", [])
        }
        if chosen:
            wanted = [name for name in chosen if name in found]
        else:
            outputs = (n for n in found if layer_of_output(n) is not None and n not in vanished)
            wanted = [name for name in found if name == AVERAGE] if method == "text" else sorted(
                outputs, key=layer_of_output
            )
            wanted = wanted or [
                name for name in found if all(name in one.vectors for one in members.values())
            ]
            if not wanted:
                raise UserError(
                    f"--library {self.folder}: embeddings by {method} have no component in common"
                )
        for name in wanted:
            _check_component(name, members)
        return wanted

    def shared(self, method: str) -> list[str]:
        """The activations that all tasks have, in one shape; those that are compared among them."""
        members = list(self.members(method).values())
        return [
            name for name in members[0].vectors
            if is_activation(name)
            and all(name in one.vectors for one in members)
            and len({_shape(one.vectors[name]) for one in members}) == 1
        ]

    def vectors(self, method: str, component: str) -> dict[str, np.ndarray]:
        """Task -> vector. Raises UserError for one that holds NaN."""
        members = self.members(method)
        for one in members.values():
            check_vector(component, one.vectors[component], one.where)
        return {name: one.vectors[component] for name, one in members.items()}

    def left_out(self, method: str, compared: Sequence[str]) -> list[str]:
        """Components that some task has and that are not compared."""
        found = {name for one in self.members(method).values() for name in one.vectors}
        return sorted(found - set(compared))

    def _add(self, method: str, embedding: TaskEmbedding) -> None:
        members = self.by_method.setdefault(method, {})
        before = members.get(embedding.name)
        if before is None:
            members[embedding.name] = embedding
            return
        twice = sorted(set(before.vectors) & set(embedding.vectors))
        if twice or before.manifest or embedding.manifest:
            raise UserError(
                f"--library {self.folder}: two embeddings of {embedding.name} by {method}, "
                f"{before.where} and {embedding.where}; keep one of them"
            )
        members[embedding.name] = TaskEmbedding(
            embedding.name, {**before.vectors, **embedding.vectors}, None, before.where
        )


def check_components(chosen: Sequence[str], library: Library) -> None:
    """Raises UserError for a component that no embedding has."""
    known = sorted({
        name for members in library.by_method.values() for one in members.values()
        for name in one.vectors
    })
    for name in chosen:
        if name not in known:
            raise UserError(
                f"--components: no embedding in {library.folder} has '{name}'"
                f"{suggestion(name, known)}"
            )


def check_alike(embeddings: Sequence[TaskEmbedding]) -> None:
    """Raises UserError unless embeddings of one method were made by one encoder in one way."""
    first = embeddings[0]
    for other in embeddings[1:]:
        if (first.manifest is None) != (other.manifest is None):
            bare, known = (first, other) if first.manifest is None else (other, first)
            raise UserError(
                f"{bare.where} has no manifest.json and {known.where} has one, so nobody knows "
                "whether they are of one encoder; keep them in libraries of their own"
            )
        if first.manifest is None:
            continue
        one, two = _identity(first), _identity(other)
        for fact in {**one, **two}:
            if one.get(fact) != two.get(fact):
                raise UserError(
                    f"{first.where} and {other.where} differ in {fact} ({_short(one.get(fact))} "
                    f"and {_short(two.get(fact))}) and cannot be compared; embed both alike"
                )


def _identity(embedding: TaskEmbedding) -> dict[str, Any]:
    settings = embedding.manifest["settings"]
    return {
        "encoder": embedding.manifest["encoder"]["digest"],
        **{name: value for name, value in settings.items() if name not in _MAY_DIFFER},
    }


def _short(value: Any) -> str:
    return str(value)[:12]


def _check_component(name: str, members: Mapping[str, TaskEmbedding]) -> None:
    lacking = [one.where for one in members.values() if name not in one.vectors]
    if lacking:
        raise UserError(
            f"{', '.join(lacking[:3])}: no {name}.npy, which other embeddings have; embed all "
            "tasks with one encoder, or compare by others with --components"
        )
    first = next(iter(members.values()))
    for other in members.values():
        if _shape(other.vectors[name]) != _shape(first.vectors[name]):
            raise UserError(
                f"{first.where} and {other.where} differ in the shape of {name} "
                f"({first.vectors[name].shape} and {other.vectors[name].shape}): they are of "
                "different encoders"
            )


def _shape(vector: np.ndarray) -> tuple[int, ...]:
    """Other programs keep the batch as a dimension, (1, 768)."""
    return tuple(size for size in vector.shape if size != 1)


def _split(embedding: TaskEmbedding) -> dict[str, TaskEmbedding]:
    """Method -> its part of an embedding; one with a manifest is of one method."""
    if embedding.manifest is not None:
        return {embedding.manifest["method"]: embedding}
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, vector in embedding.vectors.items():
        found.setdefault(method_of(name), {})[name] = vector
    return {
        method: TaskEmbedding(embedding.name, vectors, None, embedding.where)
        for method, vectors in found.items()
    }
