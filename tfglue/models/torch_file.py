"""Weights in PyTorch's files, read without running what a pickle says."""

import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfglue.errors import UserError

if TYPE_CHECKING:
    import torch

_WRAPPERS = ("model", "state", "state_dict")
"""Where training states keep their weights: those of STILTs, of MT-DNN, and of others."""

_RESAVE = (
    "if you trust the file, torch.load it with weights_only=False and torch.save its state dict "
    "(names and tensors) alone"
)


def read_torch_file(path: Path) -> dict[str, Callable[[], np.ndarray]]:
    """Reads the tensors of a state dict, or of a training state that holds one.

    Knows the zip format and the older one. Nothing but tensors and plain values is unpickled, so
    that no file can run code. What a training state holds beside the weights (arguments,
    optimizer) is left out.

    Returns:
        Name -> function that returns the tensor as float32.

    Raises:
        UserError: torch is not installed, or the file is broken, holds Python objects, or has no
            tensors.
    """
    try:
        import torch
    except ImportError:
        raise UserError(
            f'{path}: reading PyTorch files needs torch; pip install "tfglue[reference]", or save '
            "the model as safetensors"
        ) from None
    try:
        with warnings.catch_warnings():
            # Remarks on old pickle protocols, which would only precede our own line.
            warnings.simplefilter("ignore")
            content = torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except pickle.UnpicklingError as error:
        # How torch's weights_only refuses what is more than tensors; we unpickle nothing ourselves.
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        found = f"holds a Python object ({refused[1]})" if refused else "not tensors alone, or cut"
        raise UserError(
            f"{path}: {found}; reading more than tensors could run code; {_RESAVE}"
        ) from None
    except Exception as error:  # A broken file fails with anything, depending on where it breaks.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: not a whole PyTorch file ({reason})") from None
    tensors = _tensors(content, torch.Tensor)
    if not tensors:
        raise UserError(
            f"{path}: no tensors in it; expected a state dict, alone or under "
            f"{', '.join(map(repr, _WRAPPERS))}"
        )
    return {name: partial(_to_array, path, name, tensor) for name, tensor in tensors.items()}


def _tensors(content: Any, tensor_class: type) -> "dict[str, torch.Tensor]":
    if not isinstance(content, Mapping):
        return {}
    wrapped = (content.get(name) for name in _WRAPPERS)
    state = next((value for value in wrapped if isinstance(value, Mapping)), content)
    return {
        name: value
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, tensor_class)
    }


def _to_array(path: Path, name: str, tensor: "torch.Tensor") -> np.ndarray:
    is_dense = not tensor.is_sparse and tensor.device.type == "cpu"
    if not (tensor.is_floating_point() and is_dense):
        raise UserError(
            f"{path}: {name} is of type {tensor.dtype}, {tensor.layout}, on {tensor.device.type}; "
            "expected dense floating point, not packed"
        )
    # A copy: the tensor may lie in the mapped file.
    return np.array(tensor.detach().float().numpy())
