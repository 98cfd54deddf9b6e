"""Writes tests/reference/small_bert: a small random BERT of `transformers` and what it computes.

    python tests/reference/make_encoder_golden.py

Needs the `reference` extra. Weights are far larger than at BERT's own start, and no bias is zero,
so that every one of them shows in the outputs.
"""

import string
from pathlib import Path

import numpy as np
import torch
import transformers

FOLDER = Path(__file__).parent / "small_bert"
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("the", "one", "cat", "dog", "man", "woman", "sees", "hears", "likes", "old", "new", "not")
PUNCTUATION = ".,!?'-"


def make_vocabulary() -> list[str]:
    characters = string.ascii_lowercase + string.digits
    pieces = [f"##{character}" for character in characters]
    return [*SPECIAL_TOKENS, *characters, *pieces, *PUNCTUATION, *WORDS]


def make_model(vocabulary_size: int) -> transformers.BertModel:
    config = transformers.BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=40,
        attn_implementation="eager",
    )
    model = transformers.BertModel(config).eval()
    generator = torch.Generator().manual_seed(20)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_scale = name.endswith("LayerNorm.weight")
            parameter.copy_(1 + 0.2 * noise if is_scale else 0.25 * noise)
    return model


def make_batch(vocabulary_size: int) -> dict[str, np.ndarray]:
    """Six rows of 2 to 24 tokens; all but the first have a second segment."""
    generator = np.random.default_rng(20)
    lengths = np.array([2, 7, 24, 13, 24, 3])
    first_lengths = np.array([2, 4, 12, 12, 20, 2])
    positions = np.arange(lengths.max())
    padding_mask = positions < lengths[:, None]
    token_ids = generator.integers(5, vocabulary_size, padding_mask.shape) * padding_mask
    segment_ids = (positions >= first_lengths[:, None]) & padding_mask
    arrays = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask}
    return {name: array.astype(np.int32) for name, array in arrays.items()}


def main() -> None:
    vocabulary = make_vocabulary()
    model = make_model(len(vocabulary))
    batch = make_batch(len(vocabulary))
    with torch.no_grad():
        outputs = model(
            input_ids=torch.tensor(batch["token_ids"], dtype=torch.long),
            token_type_ids=torch.tensor(batch["segment_ids"], dtype=torch.long),
            attention_mask=torch.tensor(batch["padding_mask"], dtype=torch.long),
            output_hidden_states=True,
        )
    model.save_pretrained(FOLDER)
    (FOLDER / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary))
    np.savez_compressed(
        FOLDER / "golden.npz",
        **batch,
        hidden_states=torch.stack(outputs.hidden_states).numpy(),
        pooled_output=outputs.pooler_output.numpy(),
    )


if __name__ == "__main__":
    main()
