"""What is trained in a search: the whole encoder, a head on a frozen one, or adapters."""

from collections.abc import Mapping
from typing import Any

from tfglue.errors import UserError

MODELS: dict[str, dict[str, Any]] = {
    "bert": {},
    "adapter_pooler": {"head": "adapter_pooler", "freeze": "encoder"},
    "adapter": {"adapter": "houlsby", "freeze": "encoder_except_norms"},
}
"""Model -> the settings of training that make it, where none are given."""

OF_MODELS = ("head", "adapter", "freeze")
"""Settings of training that decide which model it is."""


def check_model(model: str, settings: Mapping[str, Any]) -> None:
    """Raises UserError if settings of training are those of another model."""
    adapter = settings.get("adapter", "none").partition(":")[0]
    head = settings.get("head", "linear").partition(":")[0]
    if settings.get("activations") and model != "adapter_pooler":
        raise UserError(
            f"--model {model}: trains parts of the encoder, which is frozen in --activations; use "
            "--model adapter_pooler"
        )
    if model == "adapter_pooler" and head != "adapter_pooler":
        raise UserError(f"--model adapter_pooler: not with --head {head}; use --model bert")
    if model == "adapter" and adapter == "none":
        raise UserError("--model adapter: not with --adapter none; name one, or use --model bert")
    if model != "adapter" and adapter != "none":
        raise UserError(f"--model {model}: --adapter {adapter} goes with --model adapter")
    if model == "bert" and head == "adapter_pooler":
        raise UserError(f"--model bert: --head {head} goes with --model adapter_pooler")
    if model == "bert" and settings.get("freeze") == "encoder":
        raise UserError("--model bert: not with --freeze encoder, which leaves the head alone")
