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
    begins = list(range(0, size, block))
    # Cut outside: gradients of our own are of tensors, and what is given may be a variable.
    tables, biases = (_blocks(array, begins) for array in (table, bias))
    count = len(begins)

    @ops.custom_gradient
    def losses(hidden, *parts):
        tables, biases = parts[:count], parts[count:]
        highest = total = None
        label_logits = ops.zeros_like(hidden[:, 0])
        for begin, rows, offsets in zip(begins, tables, biases, strict=True):
            logits = ops.matmul(hidden, ops.transpose(rows)) + offsets
            top = ops.max(logits, axis=-1)
            new = top if highest is None else ops.maximum(highest, top)
            share = ops.sum(ops.exp(logits - new[:, None]), axis=-1)
            total = share if total is None else total * ops.exp(highest - new) + share
            highest = new
            width = rows.shape[0]
            inside = ops.logical_and(labels >= begin, labels < begin + width)
            places = ops.clip(labels - begin, 0, width - 1)[:, None]
            found = ops.take_along_axis(logits, places, axis=-1)[:, 0]
            label_logits = ops.where(inside, found, label_logits)
        normalizer = highest + ops.log(total)
        right = ops.cast(label_logits >= highest, "float32")

        def gradient(*args, upstream=None):
            if upstream is None:
                (upstream,) = args
            scale = upstream[:, :1]
            of_hidden = ops.zeros_like(hidden)
            of_tables, of_biases = [], []
            for begin, rows, offsets in zip(begins, tables, biases, strict=True):
                logits = ops.matmul(hidden, ops.transpose(rows)) + offsets
                wrong = ops.exp(logits - normalizer[:, None])
                wrong = scale * (wrong - ops.one_hot(labels - begin, rows.shape[0]))
                of_hidden = of_hidden + ops.matmul(wrong, rows)
                of_tables.append(ops.matmul(ops.transpose(wrong), hidden))
                of_biases.append(ops.sum(wrong, axis=0))
            return of_hidden, *of_tables, *of_biases

        return ops.stack([normalizer - label_logits, right], axis=-1), gradient

    return losses(hidden, *tables, *biases)


def _blocks(array, begins: list[int]) -> list:
    return ops.split(array, begins[1:], axis=0) if len(begins) > 1 else [array + 0.0]
