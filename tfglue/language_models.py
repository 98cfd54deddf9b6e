"""Language models of a run: alone, or beside its tasks, and what they begin as."""

from tfglue.models.initialization import initialize_weights
from tfglue.models.loaded_encoder import LoadedEncoder, weights_digest
from tfglue.models.masked_head import MaskedHead
from tfglue.models.transfer_model import TransferModel


def language_models(model: TransferModel) -> list[MaskedHead]:
    """The head of a language model that is trained alone, or what is learned beside tasks."""
    beside = [model.language_model] if model.language_model is not None else []
    return [head for head in model.heads.values() if isinstance(head, MaskedHead)] + beside


def begin_language_model(head: MaskedHead, loaded: LoadedEncoder, seed: int) -> None:
    """Gives a language model its first weights: those that came with the encoder, or new ones.

    Args:
        head: the language model.
        loaded: the encoder that it belongs to.
        seed: for weights that are new.
    """
    weights = head.named_weights()
    own = {f"language_model.{name}": weight for name, weight in weights.items()}
    initialize_weights(own, head.initializer_range, seed)
    for name in weights.keys() & loaded.language_model.keys():
        weights[name].assign(loaded.language_model[name])


def language_model_line(head: MaskedHead, loaded: LoadedEncoder) -> str:
    """One line on what of a language model was loaded, and what is new."""
    names = list(head.named_weights())
    new = [name for name in names if name not in loaded.language_model]
    if len(new) == len(names):
        return (
            f"language model: new, {loaded.source} has none that is tied to its word embeddings"
        )
    line = f"language model: {len(names) - len(new)} of {len(names)} tensors of {loaded.source}"
    return f"{line}; new: {', '.join(new)}" if new else line


def language_model_digest(model: TransferModel) -> str:
    """SHA-256 of what a run's language model begins as; empty where it has none."""
    return "".join(weights_digest(head.named_weights()) for head in language_models(model))
