"""From rows of text to packed token ids."""

from tfglue.data.examples import TextExamples
from tfglue.data.features import Features, pack
from tfglue.data.token_cache import tokenize_column
from tfglue.data.tokenizer import BertTokenizer


def encode(examples: TextExamples, tokenizer: BertTokenizer, max_length: int) -> Features:
    """Tokenizes every text field and packs rows of at most `max_length` tokens."""
    return pack(
        [tokenize_column(tokenizer, column) for column in examples.texts],
        max_length=max_length,
        cls_id=tokenizer.cls_id,
        sep_id=tokenizer.sep_id,
        labels=examples.labels,
    )
