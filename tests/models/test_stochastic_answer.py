"""SAN against NumPy, its closed form, its dropout, and that it goes on where it stopped."""

import keras
import numpy as np
import pytest

from tests.reference import numpy_answer
from tests.training.small_model import small_features, small_model, small_step, values
from tfglue import tasks
from tfglue.data.batches import padded_batch
from tfglue.errors import UserError
from tfglue.kinds import KINDS
from tfglue.models.head_config import read_head
from tfglue.models.initialization import initialize_weights
from tfglue.models.stochastic_answer import StochasticAnswer, StochasticAnswerConfig
from tfglue.training.checkpoint import CheckpointFolder
from tfglue.training.seeds import dropout_seed
from tfglue.training.state import TrainingState

FIRST, SECOND = np.array([5, 2, 7]), np.array([3, 8, 1])
WIDTH, OUTPUTS, TIME = 6, 3, 12
SEED = np.array([3, 4], np.int32)


@pytest.fixture
def encoded():
    """Three packed pairs; what is padding is far from all states."""
    place = np.arange(TIME)
    mask = place < (FIRST + SECOND)[:, None]
    states = np.random.default_rng(0).normal(size=(3, TIME, WIDTH)).astype(np.float32)
    return {
        "hidden_states": (None, np.where(mask[:, :, None], states, 50).astype(np.float32)),
        "padding_mask": mask.astype(np.int32),
        "segment_ids": (mask & (place >= FIRST[:, None])).astype(np.int32),
    }


def head_of(outputs=OUTPUTS, dropout=0.0, **settings):
    head = StochasticAnswer(StochasticAnswerConfig(**settings), outputs, WIDTH, dropout)
    initialize_weights(head.named_weights(), 0.5, seed=1)
    for name, weight in head.named_weights().items():
        if name.endswith((".bias", ".gamma")):
            weight.assign(np.linspace(0.5, 2, weight.shape[0]))
    return head


def weights_of(head):
    return {name: w.numpy().astype(np.float64) for name, w in head.named_weights().items()}


def texts(encoded):
    for row, (first, second) in enumerate(zip(FIRST, SECOND, strict=True)):
        states = encoded["hidden_states"][-1][row].astype(np.float64)
        yield states[:first], states[first : first + second]


FORMS = [
    {}, {"steps": 1}, {"cell": "rnn"}, {"cell": "lstm"}, {"attention": "simple"},
    {"attention": "product"}, {"attention": "all"}, {"summary": "mlp"}, {"compare": False},
    {"average": False}, {"hypothesis": "first"}, {"weight_norm": True},
    {"weight_norm": True, "cell": "lstm", "attention": "all", "steps": 3},
]


@pytest.mark.parametrize("settings", FORMS, ids=str)
def test_it_equals_numpy(encoded, settings):
    head = head_of(**settings)
    expected = [numpy_answer.answer(head.config, weights_of(head), *row) for row in texts(encoded)]
    assert np.allclose(head(encoded), expected, atol=2e-5)
    # Where there is no dropout a seed changes nothing, but for turns that are left out.
    again = head_of(**settings, step_dropout=0.0, shared_dropout=False)
    assert np.allclose(again(encoded, dropout_seed=SEED), expected, atol=2e-5)


def test_one_turn_is_an_attention_classifier(encoded):
    head, found = head_of(steps=1), []
    own = weights_of(head)
    assert not [name for name in own if name.startswith("cell")]
    for premise, hypothesis in texts(encoded):
        shares = np.exp(hypothesis @ own["summary.kernel"][:, 0])
        state = shares @ hypothesis / shares.sum()
        scores = premise @ (state @ own["attention.kernel"] + own["attention.bias"])
        shares = np.exp(scores - scores.max())
        read = shares @ premise / shares.sum()
        together = np.concatenate([read, state, abs(read - state), read * state])
        logits = together @ own["dense.kernel"] + own["dense.bias"]
        found.append(logits - np.log(np.exp(logits).sum()))
    assert np.allclose(head(encoded), found, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"steps": 1}, {"weight_norm": True}], ids=str)
def test_answers_are_logarithms_of_a_distribution(encoded, settings):
    assert np.allclose(np.exp(head_of(**settings)(encoded)).sum(axis=-1), 1, atol=1e-6)


def test_parameters_are_those_of_the_paper():
    head = StochasticAnswer(StochasticAnswerConfig(), 3, 1024)
    sizes = {}
    for name, weight in head.named_weights().items():
        part = name.partition(".")[0]
        sizes[part] = sizes.get(part, 0) + int(np.prod(weight.shape))
    assert sizes == {"summary": 1024, "attention": 1024 * 1025, "dense": 4 * 1024 * 3 + 3,
                     "cell": 2 * 3 * 1024 * 1025}


@pytest.mark.parametrize("attention", ["bilinear", "simple", "product", "all"])
@pytest.mark.parametrize("settings", [{}, {"shared_dropout": False}, {"summary": "mlp"}], ids=str)
def test_padding_has_no_influence(encoded, attention, settings):
    head = head_of(attention=attention, dropout=0.3, **settings)
    states = encoded["hidden_states"][-1]
    changed = np.where(encoded["padding_mask"][:, :, None] == 1, states, -80).astype(np.float32)
    changed = encoded | {"hidden_states": (None, changed)}
    for seed in (None, SEED):
        assert np.array_equal(head(encoded, dropout_seed=seed), head(changed, dropout_seed=seed))


def test_a_row_of_one_text_looks_at_itself_and_not_at_padding(encoded):
    single = encoded | {"segment_ids": np.zeros_like(encoded["segment_ids"])}
    head = head_of()
    expected = [
        numpy_answer.answer(head.config, weights_of(head), np.concatenate(row), np.concatenate(row))
        for row in texts(encoded)
    ]
    assert np.allclose(head(single), expected, atol=2e-5)


DROPPED = [
    {"steps": 1}, {}, {"attention": "simple"}, {"attention": "product"}, {"attention": "all"},
    {"summary": "mlp"}, {"cell": "lstm"}, {"shared_dropout": False},
    {"shared_dropout": False, "attention": "all"}, {"shared_dropout": False, "summary": "mlp"},
]


@pytest.mark.parametrize("settings", DROPPED, ids=str)
def test_dropout_is_on_what_linear_maps_and_the_cell_read(encoded, settings):
    settings = {"steps": 3} | settings
    head = head_of(dropout=0.4, step_dropout=0.0, **settings)
    config, own = head.config, weights_of(head)

    def mask(site, shape):
        return np.asarray(head.dropouts[site](keras.ops.ones(shape), seed=SEED), np.float64)

    def of_tokens(site):
        """One of a row's tokens, or one of each token."""
        if config.shared_dropout:
            return np.repeat(mask(site, (3, WIDTH))[:, None], TIME, axis=1)
        return mask(site, (3, TIME, WIDTH))

    turns = range(config.steps)
    summary = of_tokens(0)
    states = [of_tokens(1 + 4 * turn) for turn in turns]
    state, read, kept = (
        [mask(place + 4 * turn, (3, width)) for turn in turns]
        for place, width in ((2, WIDTH), (3, 4 * WIDTH), (4, WIDTH))
    )
    everything = [summary, *states, *state, *read, *kept]
    assert all((one == 0).any() and np.isclose(one.max(), 1 / 0.6) for one in everything)
    assert not np.array_equal(state[0], kept[0])
    expected = []
    for row, (premise, hypothesis) in enumerate(texts(encoded)):
        first, second = slice(FIRST[row]), slice(FIRST[row], FIRST[row] + SECOND[row])
        expected.append(numpy_answer.answer(
            config, own, premise, hypothesis,
            {"summary": summary[row][second], "states": [one[row][first] for one in states],
             "state": [one[row] for one in state], "read": [one[row] for one in read],
             "kept": [one[row] for one in kept]},
        ))
    assert np.allclose(head(encoded, dropout_seed=SEED), expected, atol=2e-5)


def test_turns_are_left_out_but_for_one_of_each_row(encoded):
    many = {name: np.repeat(np.asarray(value), 700, axis=0) for name, value in encoded.items()
            if name != "hidden_states"}
    many["hidden_states"] = (None, np.repeat(encoded["hidden_states"][-1], 700, axis=0))
    head = head_of(step_dropout=0.6, steps=4)
    # Without other dropout a row's turns are always the same, so what is kept shows in the sum.
    kept = np.asarray(head._kept_turns((2100, 4), SEED))
    present = kept > -1e6
    assert present.any(axis=1).all() and not present.all(axis=1).all()
    assert np.allclose(kept[present], -np.log(0.4))
    # One is forced; the others are kept by chance.
    assert present.mean() == pytest.approx(0.4 + 0.6 / 4, abs=0.02)
    # Each of the four is forced equally often, 0.55 +- 0.011.
    assert np.allclose(present.mean(axis=0), 0.4 + 0.6 / 4, atol=0.045)
    drawn = np.asarray(head(many, dropout_seed=SEED))
    logits = np.stack([numpy_answer.turns(head.config, weights_of(head), *row)
                       for row in texts(encoded)])
    every = np.repeat(numpy_answer.softmax(logits), 700, axis=0)
    expected = np.log((present[:, :, None] * every).sum(axis=1) / 4 / 0.4)
    assert np.allclose(drawn, expected, atol=1e-4)
    assert not np.array_equal(drawn, head(many, dropout_seed=SEED + 1))
    assert np.array_equal(drawn, head(many, dropout_seed=SEED))


def test_almost_certain_classes_have_finite_gradients(encoded):
    import tensorflow as tf

    head = head_of(step_dropout=0.9)
    head.named_weights()["dense.kernel"].assign(
        1e4 * head.named_weights()["dense.kernel"].numpy()
    )
    batch = {"labels": tf.constant([0, 1, 2])}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(KINDS.get("classify").losses(batch, head(encoded, dropout_seed=SEED)))
    for gradient in tape.gradient(loss, [w.value for w in head.trainable_weights]):
        assert np.isfinite(gradient).all()


@pytest.mark.slow
def test_going_on_from_a_checkpoint_is_exact(tmp_path):
    batch = padded_batch(small_features("nli"), np.arange(16))
    checkpoints = CheckpointFolder(tmp_path / "checkpoint")
    model = small_model(dropout=0.1)
    model.heads["nli"] = StochasticAnswer(StochasticAnswerConfig(step_dropout=0.4), 3, 16, 0.1)
    initialize_weights(model.heads["nli"].named_weights(), 0.2, seed=4)
    step = small_step(model, "adamw", learning_rate=1e-2)
    state = TrainingState(model.changing_weights(), step.optimizer, None)
    start = values(model)

    def train(updates):
        return [float(step("nli", [batch], 16, [dropout_seed(0, update, 0)])) for update in updates]

    train(range(3))
    state.save(checkpoints)
    losses = train(range(3, 6))
    whole = values(model)
    assert state.restore(checkpoints)
    assert train(range(3, 6)) == losses
    after = values(model)
    for name, value in whole.items():
        np.testing.assert_array_equal(after[name], value, name)
    own = [name for name in whole if name.startswith("heads.nli.")]
    assert len(own) == 9
    assert all(not np.array_equal(whole[name], start[name]) for name in own)
    # The pooler is of no use to it.
    assert np.array_equal(whole["encoder.pooler.kernel"], start["encoder.pooler.kernel"])


def test_it_is_saved_and_loaded(encoded):
    head = head_of(weight_norm=True, summary="mlp", steps=2)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    for name, weight in again.named_weights().items():
        weight.assign(head.named_weights()[name])
    assert again.config == head.config
    assert np.array_equal(again(encoded), head(encoded))


@pytest.mark.parametrize(
    ("text", "task", "message"),
    [
        ("san", "sst", "it reads pairs of texts, and sst has one text (sentence); use --head "
         "linear, or of several tasks leave --head out and give it to the pairs by a recipe: "
         "tasks: {rte: {head: san}}"),
        ("san", "stsb", "stsb (kind regress) has one score; use --head san:average=false"),
        ("san", "ner", "ner (kind tag) answers every token"),
        ("san", "squad2", "squad2 (kind span) answers every token"),
    ],
)
def test_tasks_that_it_cannot_answer_are_refused_in_one_line(text, task, message):
    declared = tasks.get(task)
    with pytest.raises(UserError) as error:
        KINDS.get(declared.kind).check_head(declared, read_head(text))
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("san:steps=0", "at least 1"), ("san:step_dropout=1", "at most 0.99"),
     ("san:attention=bilinaer", "did you mean 'bilinear'"), ("san:turns=3", "unknown key 'turns'")],
)
def test_settings_that_make_no_head_are_refused(text, message):
    with pytest.raises(UserError, match=message):
        read_head(text)


def test_a_score_may_come_from_the_last_turn(encoded):
    config = read_head("san:average=false")
    KINDS.get("regress").check_head(tasks.get("stsb"), config)
    head = head_of(1, average=False)
    expected = [numpy_answer.answer(head.config, weights_of(head), *row) for row in texts(encoded)]
    assert np.allclose(head(encoded), expected, atol=2e-5)
