"""A model small enough to train in milliseconds, and rows for it."""

import numpy as np

from tfglue.data.features import Features
from tfglue.kinds import KINDS
from tfglue.models.encoder import BertEncoder
from tfglue.models.heads import LinearHead
from tfglue.models.initialization import initialize_weights
from tfglue.models.transfer_model import TransferModel
from tfglue.training.optimizer import build_optimizer
from tfglue.training.schedule import WarmupSchedule
from tfglue.training.step import TrainStep

TASK_KINDS = {
    "nli": KINDS.get("classify"), "sim": KINDS.get("regress"), "ner": KINDS.get("tag"),
    "qa": KINDS.get("span"),
}


def small_model(dropout: float = 0.0, seed: int = 0, num_layers: int = 2) -> TransferModel:
    """Layers of width 16 with heads of three classes, a score, four tags, and spans."""
    encoder = BertEncoder(
        vocabulary_size=50, num_layers=num_layers, num_heads=2, hidden_dim=16, intermediate_dim=32,
        dropout=dropout, attention_dropout=dropout, max_sequence_length=24, initializer_range=0.2,
    )
    heads = {
        "nli": LinearHead(3, 16, dropout), "sim": LinearHead(1, 16, dropout),
        "ner": LinearHead(4, 16, dropout, every_token=True),
        "qa": LinearHead(2, 16, 0.0, every_token=True),
    }
    model = TransferModel(encoder, heads)
    initialize_weights(model.named_weights(), 0.2, seed)
    return model


def small_features(task: str = "nli", rows: int = 37, seed: int = 0) -> Features:
    """Rows of 4 to 20 tokens with labels; a third of the tokens has no tag."""
    random = np.random.default_rng(seed)
    lengths = random.integers(4, 21, rows)
    labels = {
        "nli": lambda: random.integers(0, 3, rows).astype(np.int32),
        "sim": lambda: random.uniform(0, 5, rows).astype(np.float32),
        "ner": lambda: np.maximum(random.integers(-2, 4, lengths.sum()), -1).astype(np.int32),
        "qa": lambda: np.sort(random.integers(0, lengths, (2, rows)), axis=0).T.astype(np.int32),
    }[task]()
    return Features(
        token_ids=random.integers(1, 50, lengths.sum()).astype(np.int32),
        row_splits=np.concatenate([[0], np.cumsum(lengths)]),
        first_lengths=(lengths // 2).astype(np.int32),
        labels=labels,
        label_per_token=task == "ner",
    )


def small_step(
    model: TransferModel,
    optimizer="sgd",
    clip_norm=1.0,
    precision="float32",
    learning_rate=None,
    loss_weights=None,
    terms=(),
    word_dropout=None,
    **more,
):
    """A step with a constant rate on all trained weights of `model`."""
    options = {"weight_decay": 0.0, "epsilon": 1e-6} | more
    # Adam divides by the gradient's size, which turns rounding of tiny gradients into updates.
    rate = learning_rate or (0.05 if optimizer == "sgd" else 1e-3)
    built = build_optimizer(
        optimizer, WarmupSchedule(rate, 0, 100, decay=False), model.trained_weights(), **options
    )
    return TrainStep(
        model, built, TASK_KINDS, clip_norm=clip_norm, precision=precision,
        loss_weights=loss_weights, terms=terms, word_dropout=word_dropout,
    )


def values(model: TransferModel) -> dict[str, np.ndarray]:
    """Copies of all weights."""
    return {name: weight.numpy() for name, weight in model.named_weights().items()}
