"""Fisher scores against one backward pass a row, written without any of the code under test."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf

from tests.training.small_model import TASK_KINDS, small_features, small_model
from tfglue.data.batches import model_inputs, padded_batch
from tfglue.data.features import NO_LABEL
from tfglue.errors import UserError
from tfglue.models.attention import attend
from tfglue.transfer.fisher import TaskFisher, squared
from tfglue.transfer.likelihood import SCORE_STD, read_likelihood
from tfglue.transfer.weight_scores import scorable

ROWS = 11
LAST = "encoder.layer.1.layer_output"
UNSEEN_BY_ANSWERS = {LAST, "layers.1.feed_forward.layer_norm.beta", "heads.qa.dense.bias"}
TASKS = ("nli", "sim", "ner", "qa")
NAMES = {"nli": "classify", "sim": "regress", "ner": "tag", "qa": "span"}
OUTPUTS = {"nli": 3, "sim": 1, "ner": 4, "qa": 2}
G = np.array([[[1, 0], [2, -1], [9, 9]], [[-1, 2], [0, 1], [1, 1]]], np.float32)
MASK = np.array([[1, 1, 0], [1, 1, 1]], np.float32)


# Nothing here trains it.
unchanging_model = cache(small_model)


def likelihood(task, fisher="empirical", draws=3):
    return read_likelihood(fisher, TASK_KINDS[task], NAMES[task], OUTPUTS[task], draws, seed=5)


def fisher(task, granularity="example", kind="empirical", weights=(), draws=3):
    return TaskFisher(unchanging_model(), task, likelihood(task, kind, draws), granularity, weights)


# One test compiles.
pytestmark = pytest.mark.usefixtures("eagerly")


class Layers:
    """The encoder layer by layer, every activation made of a variable that starts at zero."""

    def __init__(self, model, task, batch):
        self.model, self.task, self.batch = model, task, batch
        rows, time = batch["token_ids"].shape
        names = [f"encoder.layer.{i}.{what}" for i in range(2)
                 for what in ("multihead_output", "layer_output")]
        self.moves = {name: tf.Variable(tf.zeros((rows, time, 16))) for name in names}
        self.moves["cls_output"] = tf.Variable(tf.zeros((rows, 16)))

    def logits(self, embedded=None):
        encoder = self.model.encoder
        x = embedded
        if x is None:
            x = encoder.embeddings(self.batch["token_ids"], self.batch["segment_ids"])
        mask = encoder._attention_mask(self.batch["padding_mask"], self.batch["token_ids"])
        for index, layer in enumerate(encoder.encoder_layers):
            maps = layer.projections
            context = attend(
                *(maps[f"attention.{name}"](x) for name in ("query", "key", "value")),
                mask, 2, "float32", lambda probabilities: probabilities,
            ) + self.moves[f"encoder.layer.{index}.multihead_output"]
            x = layer.attention_layer_norm(maps["attention.output"](context) + x)
            inner = maps["feed_forward.output"](
                tf.nn.gelu(maps["feed_forward.intermediate"](x), approximate=False)
            )
            x = layer.feed_forward_layer_norm(inner + x)
            x = x + self.moves[f"encoder.layer.{index}.layer_output"]
        pooled = encoder.pooler(x[:, 0]) + self.moves["cls_output"]
        return self.model.heads[self.task](
            {"hidden_states": (x,), "pooled_output": pooled,
             "padding_mask": self.batch["padding_mask"]}
        )

    def gradients(self, loss_of):
        with tf.GradientTape() as tape:
            loss = loss_of(self.logits())
        weights = self.model.named_weights()
        weights = {n.removeprefix("encoder."): weight.value for n, weight in weights.items()}
        return tape.gradient(loss, (self.moves, weights))


def mean_loss(task, batch):
    """The published loss of a batch, but that no question's answer is sought in padding."""
    labels = batch["labels"]

    def of(logits):
        if task == "qa":
            logits = logits - 1e9 * (1 - tf.cast(batch["padding_mask"], tf.float32))[:, :, None]
        if task == "sim":
            return tf.reduce_mean(tf.square(logits[:, 0] - labels))
        if task == "nli":
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        if task == "ner":
            words = tf.where(labels != NO_LABEL)
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.gather_nd(labels, words), tf.gather_nd(logits, words)
            ))
        one, other = (tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels[:, i], logits[:, :, i])) for i in range(2))
        return (one + other) / 2
    return of


def one_by_one(task, features, losses=None):
    """Activations: squares of each row's summed gradient; weights: of each row's gradient."""
    model, totals = unchanging_model(), {}
    for row in range(len(features)):
        batch = padded_batch(features, np.array([row]))
        if task == "ner" and not np.any(batch["labels"] != NO_LABEL):
            continue
        for loss, share in (losses or (lambda task, batch, row: [
            (mean_loss(task, batch), 1.0)
        ]))(task, batch, row):
            moves, weights = Layers(model, task, batch).gradients(loss)
            for name, gradient in {**moves, **weights}.items():
                if gradient is None:
                    continue
                gradient = tf.convert_to_tensor(gradient).numpy().astype(np.float64)
                if name in moves:
                    gradient = gradient.reshape(-1, 16).sum(axis=0)
                totals[name] = totals.get(name, 0) + share * gradient**2
    tokens = features.lengths.sum()
    return {
        name: total / len(features) / (tokens if name.startswith(("encoder.", "cls")) else 1)
        for name, total in totals.items()
    }


def assert_near(found, expected, tolerance=1e-5):
    assert found.shape == expected.shape
    assert np.linalg.norm(expected) > 0
    error = np.linalg.norm(found.astype(np.float64) - expected)
    assert error <= tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [("batch", [0.9, 0.9]), ("example", [0.9, 1.7]), ("token", [0.7, 0.7])],
)
def test_published_arithmetic(granularity, expected):
    found = squared(tf.constant(G), tf.constant(MASK), granularity).numpy() / MASK.sum() / 2
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_rows_side_by_side_are_rows_one_by_one(task):
    features = small_features(task, ROWS)
    expected = one_by_one(task, features)
    names = [name for name in scorable(unchanging_model(), task, "example") if name in expected]
    embedder = fisher(task, weights=names)
    found = embedder.scores(features)
    components = {name for name in found if name.startswith(("encoder.", "cls"))}
    # Softmax over tokens does not see these: their gradients are rounding.
    unseen = {f"layers.{layer}.attention.key.bias" for layer in range(2)}
    unseen |= UNSEEN_BY_ANSWERS if task == "qa" else set()
    assert set(embedder.vanished) == unseen
    assert len(components) == {"nli": 5, "sim": 5, "ner": 4, "qa": 3}[task]
    # Of each layer six linear maps and two LayerNorms, of the embeddings three tables and one; then
    # the head and, where it is read, the pooler.
    assert len(names) == 2 * (6 + 2) * 2 + 5 + 2 + (2 if task in ("nli", "sim") else 0)
    assert set(found) == components | set(names) - unseen
    for name, value in found.items():
        assert_near(value, expected[name])


def test_of_classes_the_last_layer_has_a_gradient_at_the_first_token_alone():
    found = fisher("nli").scores(small_features("nli", ROWS))
    by_token = fisher("nli", "token").scores(small_features("nli", ROWS))
    np.testing.assert_allclose(found[LAST], by_token[LAST], rtol=1e-6)


def test_of_questions_the_last_layers_gradients_cancel_unless_each_is_squared():
    features = small_features("qa", ROWS)
    batch = padded_batch(features, np.arange(ROWS))
    moves, _ = Layers(unchanging_model(), "qa", batch).gradients(mean_loss("qa", batch))
    gradients = moves[LAST].numpy()
    assert np.abs(gradients.sum(axis=1)).max() < 1e-6 * np.abs(gradients).max()
    assert LAST in fisher("qa", "token").scores(features)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "eager"])
@pytest.mark.parametrize(("task", "granularity"), [("ner", "example"), ("qa", "token")])
def test_batches_and_their_order_do_not_count(task, granularity, compiled):
    tf.config.run_functions_eagerly(not compiled)
    features = small_features(task, ROWS)
    order = np.random.default_rng(3).permutation(ROWS)
    scores = fisher(task, granularity, weights=["layers.0.feed_forward.output.kernel"]).scores
    whole = scores(features, [np.arange(ROWS)])
    parts = scores(features, [order[:1], order[1:4], order[4:]])
    for name, value in whole.items():
        assert_near(parts[name], value)


@pytest.mark.parametrize("task", TASKS)
def test_by_batch_gradients_are_summed_before_they_are_squared(task):
    features = small_features(task, ROWS)
    batches = [np.array([3, 1, 7, 0]), np.array([2, 4, 5]), np.array([6, 8, 9, 10])]
    model, totals = unchanging_model(), {}
    for rows in batches:
        batch = padded_batch(features, rows)
        mask = batch["padding_mask"].numpy()[:, :, None]
        moves, weights = Layers(model, task, batch).gradients(mean_loss(task, batch))
        for name, gradient in moves.items():
            if gradient is not None:
                own = gradient.numpy().astype(np.float64)
                own = own * mask if own.ndim == 3 else own
                score = own.reshape(-1, 16).sum(axis=0) ** 2 / mask.sum()
                totals[name] = totals.get(name, 0) + score
        for name in ("embeddings.word", "layers.0.attention.layer_norm.gamma"):
            gradient = tf.convert_to_tensor(weights[name]).numpy().astype(np.float64)
            totals[name] = totals.get(name, 0) + gradient**2
    names = ["embeddings.word", "layers.0.attention.layer_norm.gamma"]
    found = fisher(task, "batch", weights=names).scores(features, batches)
    assert totals.keys() - found.keys() == ({LAST} if task == "qa" else set())
    for name, value in found.items():
        assert_near(value, totals[name] / ROWS)


def test_by_token_every_gradient_is_squared():
    features = small_features("ner", ROWS)
    batch = padded_batch(features, np.arange(ROWS))
    terms = np.maximum((batch["labels"].numpy() != NO_LABEL).sum(axis=1), 1)

    def loss(logits):
        return tf.reduce_sum(TASK_KINDS["ner"].losses(batch, logits) / terms)

    moves, _ = Layers(unchanging_model(), "ner", batch).gradients(loss)
    mask = batch["padding_mask"].numpy()[:, :, None]
    found = fisher("ner", "token").scores(features)
    for name, value in found.items():
        own = moves[name].numpy() * mask
        assert_near(value, (own**2).sum(axis=(0, 1)) / mask.sum() / ROWS)


def test_by_token_a_weight_is_scored_as_if_each_token_had_its_own():
    features = small_features("ner", ROWS)
    batch = padded_batch(features, np.arange(ROWS))
    terms = np.maximum((batch["labels"].numpy() != NO_LABEL).sum(axis=1), 1)
    layers = Layers(unchanging_model(), "ner", batch)
    embeddings = layers.model.encoder.embeddings
    ids = batch["token_ids"].numpy()
    words = tf.Variable(embeddings.word.numpy()[ids])
    gammas = tf.Variable(np.broadcast_to(embeddings.layer_norm.gamma.numpy(), words.shape))
    others = (embeddings.segment.numpy()[batch["segment_ids"].numpy()]
              + embeddings.position.numpy()[: ids.shape[1]])
    with tf.GradientTape() as tape:
        x = words + others
        x -= tf.reduce_mean(x, axis=-1, keepdims=True)
        x /= tf.sqrt(tf.reduce_mean(x**2, axis=-1, keepdims=True) + 1e-12)
        logits = layers.logits(gammas * x + embeddings.layer_norm.beta)
        loss = tf.reduce_sum(TASK_KINDS["ner"].losses(batch, logits) / terms)
    of_words, of_gammas = (own.numpy() ** 2 for own in tape.gradient(loss, (words, gammas)))
    lines = np.zeros(embeddings.word.shape)
    np.add.at(lines, ids, of_words)
    names = ["embeddings.word", "embeddings.layer_norm.gamma"]
    found = fisher("ner", "token", weights=names).scores(features)
    assert_near(found[names[0]], lines / ROWS)
    assert_near(found[names[1]], of_gammas.sum(axis=(0, 1)) / ROWS)


@pytest.mark.parametrize("granularity", ["example", "token", "batch"])
def test_epochs_without_training_change_nothing(granularity):
    features = small_features("nli", ROWS)
    batches, names = [np.arange(4), np.arange(4, ROWS)], ["layers.0.attention.query.bias"]
    embedder = fisher("nli", granularity, weights=names)
    once, twice = (embedder.scores(features, batches * epochs) for epochs in (1, 2))
    for name, value in once.items():
        assert_near(twice[name], value)


def all_classes(task, batch, row):
    """Loss and probability of every class that a row might have."""
    logits = unchanging_model()(model_inputs(batch), task=task)
    probabilities = tf.nn.softmax(logits[0]).numpy()
    return [
        (mean_loss(task, {**batch, "labels": tf.constant([label])}), probability)
        for label, probability in enumerate(probabilities)
    ]


def test_the_expectation_over_classes_is_their_weighted_sum():
    features = small_features("nli", 5)
    expected = one_by_one("nli", features, all_classes)
    found = fisher("nli", kind="expected").scores(features)
    for name, value in found.items():
        assert_near(value, expected[name])


@pytest.mark.parametrize(("task", "tolerance"), [("nli", 0.3), ("sim", 0.3)])
def test_draws_come_near_the_expectation(task, tolerance):
    features = small_features(task, ROWS)
    exact = fisher(task, kind="expected").scores(features)
    tf.config.run_functions_eagerly(False)  # So many passes are worth tracing.
    sampled = fisher(task, kind="sampled", draws=60)
    drawn = sampled.scores(features)
    again = sampled.scores(features, [np.arange(ROWS)[::-1]])
    for name, value in exact.items():
        assert_near(drawn[name], value, tolerance)
        assert_near(again[name], drawn[name])


def test_a_score_is_expected_to_vary_by_its_variance():
    features = small_features("sim", 1)
    batch = padded_batch(features, np.arange(1))
    moves, _ = Layers(unchanging_model(), "sim", batch).gradients(lambda logits: logits[0, 0])
    found = fisher("sim", kind="expected").scores(features)["cls_output"]
    expected = (moves["cls_output"].numpy()[0] / SCORE_STD) ** 2 / features.lengths.sum()
    assert_near(found, expected)


@pytest.mark.parametrize("task", ["ner", "qa"])
def test_labels_are_drawn_as_often_as_the_model_says(task):
    draws, tokens = 4000, 3
    random = np.random.default_rng(0)
    logits = random.normal(size=(1, tokens, OUTPUTS[task])).astype(np.float32)
    drawing = read_likelihood("sampled", TASK_KINDS[task], NAMES[task], OUTPUTS[task], 1, seed=1)
    noise = random.uniform(size=(draws, 2 if task == "qa" else tokens)).astype(np.float32)
    batch = {"padding_mask": np.ones((draws, tokens), np.int32), "noise": noise,
             "labels": np.zeros((draws, tokens), np.int32)}
    found = drawing._labels(batch, np.repeat(logits, draws, axis=0)).numpy()
    over = 1 if task == "qa" else 2  # Answers are one of the tokens, tags one of the classes.
    expected = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=over - 1, keepdims=True)
    expected = expected.T if task == "qa" else expected
    counts = np.array([np.bincount(column, minlength=expected.shape[1]) for column in found.T])
    np.testing.assert_allclose(counts / draws, expected, atol=4 * 0.5 / draws**0.5)


@pytest.mark.parametrize("task", ["ner", "qa"])
def test_drawn_labels_are_of_words_and_of_real_tokens(task):
    seen = []

    class Spy:
        every_token = True

        def losses(self, batch, logits):
            seen.append((batch["labels"].numpy(), batch["padding_mask"].numpy()))
            return tf.zeros(len(batch["token_ids"]))

    features = small_features(task, ROWS)
    drawing = read_likelihood("sampled", Spy(), NAMES[task], OUTPUTS[task], 2, seed=1)
    rows = np.arange(ROWS)
    batch = padded_batch(features, rows)
    time = batch["token_ids"].shape[1]
    for number in range(2):
        noise = drawing.noise(features, number)
        if task == "ner":
            places = np.minimum(features.row_splits[:-1, None] + np.arange(time), len(noise) - 1)
            noise = noise[places]
        logits = tf.random.stateless_normal((ROWS, time, OUTPUTS[task]), [number, 3])
        drawing.losses({**batch, "noise": tf.constant(noise)}, logits, number)
    (first, mask), (second, _) = seen
    assert not np.array_equal(first, second)
    if task == "ner":
        np.testing.assert_array_equal(first == NO_LABEL, batch["labels"].numpy() == NO_LABEL)
        assert first.max() == 3
    else:
        assert np.all(first < mask.sum(axis=1, keepdims=True)) and first.min() >= 0


def test_what_cannot_be_summed_up_is_refused():
    with pytest.raises(UserError, match="use --fisher sampled"):
        likelihood("ner", "expected")
    with pytest.raises(UserError, match=r"cannot score 'layers.0.attention.kwery.kernel'.*mean"):
        fisher("nli", weights=["layers.0.attention.kwery.kernel"])
    with pytest.raises(UserError, match="by example"):
        fisher("ner", weights=["pooler.kernel"])
