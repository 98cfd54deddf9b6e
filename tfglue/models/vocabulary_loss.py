"""Cross-entropy over a whole vocabulary, a block of it at a time."""

from keras import ops


def vocabulary_losses(hidden, table, bias, labels, block: int):
    """Cross-entropy of softmax(hidden table^T + bias), and whether the label is the likeliest.

    The logits of all tokens and of a whole vocabulary are the largest array that training would
    hold. Here they are there for one block of the vocabulary at a time, and computed again for the
    gradient; the loss is the same whatever the blocks are, but for rounding.

    Args:
        hidden: float32 (tokens, hidden_dim).
        table: float32 (vocabulary, hidden_dim), the word embeddings.
        bias: float32 (vocabulary,).
        labels: int32 (tokens,); what is said of one outside the vocabulary means nothing.
        block: ids of the vocabulary at a time.

    Returns:
        float32 (tokens, 2): cross-entropy in nats, and 1 where no other id is likelier, else 0. The
        second has no gradient.
    """
    size = table.shape[0]
    spans = [(begin, min(begin + block, size)) for begin in range(0, size, block)]

    @ops.custom_gradient
    def losses(hidden, table, bias):
        highest = total = None
        label_logits = ops.zeros_like(hidden[:, 0])
        for begin, end in spans:
            logits = _logits(hidden, table, bias, begin, end)
            top = ops.max(logits, axis=-1)
            new = top if highest is None else ops.maximum(highest, top)
            share = ops.sum(ops.exp(logits - new[:, None]), axis=-1)
            total = share if total is None else total * ops.exp(highest - new) + share
            highest = new
            inside = ops.logical_and(labels >= begin, labels < end)
            places = ops.clip(labels - begin, 0, end - begin - 1)[:, None]
            found = ops.take_along_axis(logits, places, axis=-1)[:, 0]
            label_logits = ops.where(inside, found, label_logits)
        normalizer = highest + ops.log(total)
        right = ops.cast(label_logits >= highest, "float32")

        def gradient(*args, upstream=None):
            if upstream is None:
                (upstream,) = args
            scale = upstream[:, :1]
            of_hidden = ops.zeros_like(hidden)
            of_table, of_bias = [], []
            for begin, end in spans:
                logits = _logits(hidden, table, bias, begin, end)
                wrong = ops.exp(logits - normalizer[:, None])
                wrong = scale * (wrong - ops.one_hot(labels - begin, end - begin))
                of_hidden = of_hidden + ops.matmul(wrong, table[begin:end])
                of_table.append(ops.matmul(ops.transpose(wrong), hidden))
                of_bias.append(ops.sum(wrong, axis=0))
            return of_hidden, ops.concatenate(of_table, 0), ops.concatenate(of_bias, 0)

        return ops.stack([normalizer - label_logits, right], axis=-1), gradient

    return losses(hidden, table, bias)


def _logits(hidden, table, bias, begin: int, end: int):
    return ops.matmul(hidden, ops.transpose(table[begin:end])) + bias[begin:end]
