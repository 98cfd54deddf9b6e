"""The stochastic answer network in float64, written from the papers' equations, row by row."""

import numpy as np


def softmax(values):
    shares = np.exp(values - values.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def linear(x, weights, name):
    kernel = weights[f"{name}.kernel"]
    if f"{name}.gamma" in weights:
        kernel = kernel / np.linalg.norm(kernel, axis=0)
        kernel = kernel * weights[f"{name}.gamma"] * 0.02 * np.sqrt(len(kernel))
    return x @ kernel + weights.get(f"{name}.bias", 0)


def cell(kind, weights, x, state, memory):
    read, kept = linear(x, weights, "cell.input"), linear(state, weights, "cell.state")
    if kind == "rnn":
        return np.tanh(read + kept), memory
    if kind == "gru":
        (ir, iz, new_i), (hr, hz, new_h) = np.split(read, 3), np.split(kept, 3)
        update = sigmoid(iz + hz)
        return (1 - update) * np.tanh(new_i + sigmoid(ir + hr) * new_h) + update * state, memory
    let_in, forget, candidate, let_out = np.split(read + kept, 4)
    memory = sigmoid(forget) * memory + sigmoid(let_in) * np.tanh(candidate)
    return sigmoid(let_out) * np.tanh(memory), memory


def attention(kind, weights, token, state):
    """The score of one token."""
    if kind == "bilinear":
        return token @ linear(state, weights, "attention")
    parts = {"simple": [token], "product": [token, token * state],
             "all": [token, token * state, np.abs(token - state)]}[kind]
    columns = weights["attention.kernel"].T
    return sum(part @ column for part, column in zip(parts, columns, strict=True))


def turns(config, weights, first, second, masks=None):
    """Logits of every turn for one row, (steps, outputs).

    Args:
        config: settings of the head.
        weights: by name, float64.
        first, second: states of the tokens of each text, [CLS] and [SEP]s with theirs.
        masks: of dropout: ``summary`` on the tokens that ask, and for every turn ``states`` on the
            tokens that are looked at, ``state`` on what asks, ``read`` on what the classes read and
            ``kept`` on the state that the cell reads; None for none.
    """
    asking, looked_at = (second, first) if config.hypothesis == "second" else (first, second)
    ones = [1] * config.steps
    masks = masks or {"summary": 1, "states": ones, "state": ones, "read": ones, "kept": ones}
    asking = asking * masks["summary"]
    read = asking
    if config.summary == "mlp":
        read = np.maximum(linear(asking, weights, "summary_hidden"), 0)
    state = softmax((read @ weights["summary.kernel"])[:, 0]) @ asking
    memory, found = np.zeros_like(state), []
    for turn in range(config.steps):
        scores = np.array([
            attention(config.attention, weights, token, state * masks["state"][turn])
            for token in looked_at * masks["states"][turn]
        ])
        mixed = softmax(scores) @ looked_at
        parts = [mixed, state]
        if config.compare:
            parts += [np.abs(mixed - state), mixed * state]
        found.append(linear(np.concatenate(parts) * masks["read"][turn], weights, "dense"))
        if turn + 1 < config.steps:
            kept = state * masks["kept"][turn]
            state, memory = cell(config.cell, weights, mixed, kept, memory)
    return np.array(found)


def answer(config, weights, first, second, masks=None):
    """What the head says of one row, no turn being left out."""
    found = turns(config, weights, first, second, masks)
    return np.log(softmax(found).mean(axis=0)) if config.average else found[-1]
