"""Embeddings on disk for tests, with and without manifests."""

from pathlib import Path

import numpy as np

from tfglue.transfer.embedding import TaskEmbedding

OUTPUTS = tuple(f"encoder.layer.{layer}.layer_output" for layer in range(3))


def manifest(name, method="text", digest="d" * 64, kind="classify", examples=100, **settings):
    return {
        "method": method, "name": name, "kind": kind,
        "encoder": {"name": "small", "digest": digest},
        "data": {"origin": "made up", "digest": "0", "examples": examples, "rows": examples,
                 "tokens": 9},
        "settings": settings, "versions": {},
    }


def vectors(seed, names=("avg_sequence_output",), width=8):
    random = np.random.default_rng(seed)
    return {name: random.normal(size=width).astype(np.float32) for name in names}


def write(folder: Path, name, seed=0, method="text", names=None, width=8, **facts) -> Path:
    """An embedding with a manifest."""
    names = names or (("avg_sequence_output",) if method == "text" else OUTPUTS)
    place = folder / method / name
    own = vectors(seed, names, width)
    TaskEmbedding(name, own, manifest(name, method, **facts)).write(place)
    return place


def write_bare(folder: Path, name, seed=0, names=("avg_sequence_output",), width=8) -> Path:
    """Files of another program."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    for component, vector in vectors(seed, names, width).items():
        np.save(place / f"{component}.npy", vector)
    return place
