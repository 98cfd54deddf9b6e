"""Ranking: groups, their loss and answers against definitions, and batches that hold them whole."""

from dataclasses import replace
from itertools import combinations, repeat
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from tests.serving.graph import Graph
from tests.serving.small_runs import TOKENIZER, small_run
from tfglue import export, predict, tasks, train
from tfglue.answering import source_for
from tfglue.config import TrainConfig
from tfglue.data.batch_plan import BatchPlan
from tfglue.data.batches import batches_by_length, padded_batch
from tfglue.data.examples import TextExamples
from tfglue.data.features import NO_LABEL
from tfglue.data.ranked_examples import grouped
from tfglue.data.sources import FileSource, FolderSource, open_source
from tfglue.data.subset import first_examples, subset, whole_units
from tfglue.errors import UserError
from tfglue.kinds import KINDS
from tfglue.predictions.predictions import Outputs
from tfglue.preparation import prepare
from tfglue.resolution import resolve
from tfglue.serving.comparison_requests import comparison_requests
from tfglue.serving.served_ranks import ServedRanks
from tfglue.tasks.files import task_from_files
from tfglue.tasks.serialization import task_from_dict, task_to_dict
from tfglue.training.divergence import DIVERGENCES

RANK = KINDS.get("rank")
TASK = tasks.get("qnli_rank")
CONFIG = TrainConfig(max_length=24)
# Query and label: b has no right candidate, d two, e no other; a and c are whole.
ROWS = [("a", 1), ("b", 1), ("c", 1), ("a", 0), ("b", 1), ("c", 1), ("d", 0), ("c", 0), ("d", 0),
        ("e", 0)]


def examples(rows=ROWS, labelled=True, **options):
    labels = np.array([label for _, label in rows], np.int32) if labelled else None
    texts = ([f"who {query}" for query, _ in rows], [f"the town {n}" for n in range(len(rows))])
    ids = [str(number) for number in range(len(rows))]
    return grouped(TextExamples(ids=ids, origin="rows", texts=texts, labels=labels), **options)


def encoded(own, training=False):
    return RANK.encode(TASK, own, TOKENIZER, CONFIG, training)


def answered(own, scores):
    outputs = Outputs(np.asarray(scores, np.float32)[:, None], None)
    return RANK.predictions(TASK, own, encoded(own), outputs, CONFIG, {})


def test_pairs_of_one_query_are_a_group_and_whole_ones_are_counted():
    own = examples()
    assert own.group_of_example.tolist() == [0, 1, 2, 0, 1, 2, 3, 2, 3, 4]
    assert np.flatnonzero(own.complete).tolist() == [0, 2, 3, 5, 7]
    assert own.coverage == (
        "5 of 10 pairs are in the 2 of 5 groups with one right candidate beside wrong ones"
    )
    assert examples(labelled=False).coverage.startswith("9 of 10 pairs are in the 4 of 5")
    assert own.take(np.array([9, 3, 8, 0])).group_of_example.tolist() == [0, 1, 2, 1]


def test_version_1_pairs_lines_that_follow_each_other():
    rows = [("a", 0), ("a", 1), ("a", 1), ("a", 0), ("b", 0), ("c", 1), ("b", 1), ("d", 1)]
    assert examples(rows).group_of_example.tolist() == [0, 0, 0, 0, 1, 2, 1, 3]
    own = examples(rows, paired_lines=True)
    # A question that comes back is a group of its own; lines left over meet again by question.
    assert own.group_of_example.tolist() == [0, 0, 1, 1, 2, 3, 2, 4]
    assert own.complete.tolist() == [True] * 5 + [False, True, False]
    assert own.digest() != examples(rows).digest()


def test_the_loss_is_minus_the_log_softmax_at_the_right_candidate():
    own, random = encoded(examples()), np.random.default_rng(0)
    assert own.labels.tolist() == [1, NO_LABEL, 1, 0, NO_LABEL, 1, NO_LABEL, 0, NO_LABEL, NO_LABEL]
    assert own.loss_terms.tolist() == [0, 0, 0, 1, 0, 0, 0, 1, 0, 0]
    scores = random.normal(0, 3, 10).astype(np.float32)
    expected = np.zeros(10)
    expected[3] = -log_softmax(scores[[0, 3]])[1]
    expected[7] = -log_softmax(scores[[2, 5, 7]])[2]
    for order in (np.arange(10), random.permutation(10)):
        batch = padded_batch(own, order)
        found = RANK.losses(batch, tf.constant(scores[order, None]))
        assert np.allclose(found, expected[order], atol=1e-5)


@pytest.mark.parametrize("divergence", ["symmetric_kl", "kl", "jensen_shannon"])
def test_smoothing_compares_the_candidates_of_each_whole_group_once(divergence):
    own, random = encoded(examples()), np.random.default_rng(3)
    one, other = random.normal(0, 2, (2, 10)).astype(np.float32)
    expected = np.zeros(10)
    for right, group in ((3, [0, 3]), (7, [2, 5, 7])):
        p, q = softmax(one[group].astype(float)), softmax(other[group].astype(float))
        m = (p + q) / 2
        expected[right] = {
            "symmetric_kl": entropy(p, q) + entropy(q, p),
            "kl": entropy(p, q),
            "jensen_shannon": (entropy(p, m) + entropy(q, m)) / 2,
        }[divergence]
    order = random.permutation(10)
    batch = padded_batch(own, order)
    logits = [RANK.choice_logits(batch, scores[order, None]) for scores in (one, other)]
    found = DIVERGENCES.get(divergence)(*logits)
    assert np.allclose(found, expected[order], rtol=1e-4, atol=1e-6)


def test_trained_are_whole_groups_alone():
    found = encoded(examples(), training=True)
    assert found.example_of_row.tolist() == [0, 2, 3, 5, 7] and NO_LABEL not in found.labels
    every = encoded(examples())
    assert np.array_equal(found.token_ids, every.take(found.example_of_row).token_ids)
    assert found.group_of_row.tolist() == every.group_of_row[found.example_of_row].tolist()


def test_what_is_cut_of_trained_rows_is_counted():
    short = replace(CONFIG, max_length=8)
    own = examples([("came", 0), ("came", 1), ("of a place of which nobody knows where it is", 0)])
    assert RANK.encode(TASK, own, TOKENIZER, short, False).truncated == 3
    assert RANK.encode(TASK, own, TOKENIZER, short, True).truncated == 2
    with pytest.raises(UserError, match="no query has one right candidate beside wrong ones"):
        encoded(examples([("a", 0), ("b", 1)]), training=True)
    with pytest.raises(UserError, match="there is nothing to rank"):
        answered(examples([("a", 1), ("b", 1)]), [1.0, 2.0]).score()


def test_answers_are_of_single_pairs():
    own = examples()
    scores = [2.0, 5, 1, 1, 4, 0, 3, 1, 3, -9]
    found = answered(own, scores)
    # The first of equal candidates wins.
    assert np.flatnonzero(found.values == 0).tolist() == [0, 1, 2, 6, 9]
    expected = np.empty(10)
    for rows in ([0, 3], [1, 4], [2, 5, 7], [6, 8], [9]):
        expected[rows] = softmax(np.array(scores)[rows])
    assert np.allclose(found.probabilities, np.stack([expected, 1 - expected], axis=1))
    # Of a and c, whose right ones are 3 and 7, all but row 5 are wrong.
    assert found.metrics() == {"accuracy": 0.2, "group_accuracy": 0.0, "coverage": 0.5}
    assert answered(own, [0, 0, 0, 1, 0, 0, 0, 1, 0, 0]).metrics() == {
        "accuracy": 1.0, "group_accuracy": 1.0, "coverage": 0.5,
    }
    assert found.records()[3].keys() == {
        "id", "label", "probability_entailment", "probability_not_entailment"
    }
    assert RANK.floor(TASK, own) == pytest.approx((1 + (1 + 2 / 3)) / 5)


def test_answers_do_not_depend_on_the_order_of_candidates():
    own, random = examples(), np.random.default_rng(1)
    scores, order = random.normal(size=10), random.permutation(10)
    one, other = answered(own, scores), answered(own.take(order), scores[order])
    assert np.allclose(one.probabilities[order], other.probabilities)
    assert np.array_equal(one.values[order], other.values)
    assert one.metrics() == other.metrics()


def test_an_ensemble_is_the_mean_over_candidates():
    own, random = examples(), np.random.default_rng(2)
    models = [answered(own, scores) for scores in random.normal(size=(2, 10))]
    both = models[0].combined(models[1:], "mean")
    expected = np.mean([one.right_probabilities for one in models], axis=0)
    assert np.allclose(both.right_probabilities, expected)


@pytest.fixture(scope="module")
def many():
    random = np.random.default_rng(3)
    rows = []
    for query in range(90):
        size = int(random.integers(2, 6))
        rows += [(f"{query}", int(place > 0)) for place in range(size)]
    order = random.permutation(len(rows))
    return encoded(examples([rows[place] for place in order]), training=True)


def plan_of(features, batching="grouped", accumulate=1, batch_size=8):
    return BatchPlan(
        features.lengths, batch_size, accumulate, 5, "rank", batching, groups=features.group_of_row
    )


@pytest.mark.parametrize(("batching", "accumulate"), [("grouped", 1), ("plain", 3)])
def test_batches_hold_whole_groups_and_an_epoch_each_once(many, batching, accumulate):
    plan, orders = plan_of(many, batching, accumulate), []
    for epoch in range(3):
        updates = plan.epoch(epoch)
        assert len(updates) == plan.updates_per_epoch
        passes = [rows for update in updates for rows in update]
        groups = [set(many.group_of_row[rows]) for rows in passes]
        assert sum(map(len, groups)) == len(set.union(*groups)) == 90
        rows = np.concatenate(passes)
        assert sorted(rows.tolist()) == list(range(len(many)))
        assert np.mean([len(rows) for rows in passes]) == pytest.approx(8, abs=2)
        orders.append({frozenset(one_pass) for one_pass in groups})
    # What comes together is drawn anew, too, not only when it comes.
    assert all(len(one & other) < len(one) / 4 for one, other in combinations(orders, 2))
    again = plan_of(many, batching, accumulate)
    assert again.epoch(1)[0][0].tolist() == plan.epoch(1)[0][0].tolist()


def test_batches_have_about_as_many_rows_as_asked_for():
    groups = np.repeat(np.arange(60), 3)
    for batch_size, count in ((6, 2), (5, 2), (4, 1), (1, 1), (96, 32)):
        plan = BatchPlan(np.full(180, 9), batch_size, 1, 0, "rank", "plain", groups=groups)
        assert len(plan.epoch(0)[0][0]) == 3 * count


@pytest.mark.parametrize("batch_size", [1, 2, 7, 64])
def test_inference_keeps_groups_whole(many, batch_size):
    batches = batches_by_length(many, batch_size)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(many)))
    groups = [set(many.group_of_row[rows]) for rows in batches]
    assert sum(map(len, groups)) == 90
    assert all(len(rows) <= batch_size or len(own) == 1
               for rows, own in zip(batches, groups, strict=True))
    assert all("groups" in padded_batch(many, rows) for rows in batches[:1])


def test_subsets_are_nested_and_hold_whole_groups():
    random = np.random.default_rng(4)
    own = examples([(str(query), 0) for query in random.integers(0, 40, 200)])
    every, before = np.arange(len(own)), set()
    for count in (1, 20, 90, 200):
        rows = subset(own, every, count)
        chosen = set(rows.tolist())
        assert before <= chosen and len(rows) == len(chosen) and (len(rows) <= count or count == 1)
        left = set(own.units[np.setdiff1d(every, rows)])
        assert left.isdisjoint(own.units[rows])
        before = chosen
    assert len(before) == 200
    # Whole groups come first: they alone are learned from.
    assert sorted(subset(examples(), np.arange(10), 5).tolist()) == [0, 2, 3, 5, 7]
    part = first_examples(own, 50)
    assert part.ids == sorted(part.ids, key=int)


def test_parts_hold_whole_units_and_are_those_of_before_where_there_are_none():
    parts = list(whole_units(np.array([5, 1, 5, 2, 2, 1, 7]), repeat(3)))
    assert [part.tolist() for part in parts] == [[0, 2, 1, 5], [3, 4, 6]]
    parts = [part.tolist() for part in whole_units(np.arange(7), iter([1, 3, 32]))]
    assert parts == [[0], [1, 2, 3], [4, 5, 6]]


def write(path, rows):
    lines = ["query\tcandidate\tright", *(f"{q}\tthe {n}\t{label}" for n, (q, label) in
                                          enumerate(rows))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def own_task(path, **options):
    own = {"text_fields": ("query", "candidate"), "label_field": "right", "kind": "rank"}
    return task_from_files("mine", path, **own | options)


def test_files_of_queries_and_candidates_need_no_code(tmp_path):
    path = write(tmp_path / "a.tsv", [("q", 1), ("r", 0), ("q", 0), ("r", 1), ("r", 0)])
    task, lines = own_task(path)
    assert (task.kind, task.labels, task.main_metric) == ("rank", ("1", "0"), "accuracy")
    assert lines[1] == "kind rank (as asked): 2 classes: 0 (3), 1 (2)"
    found = FileSource(task, {"train": path}, ("query", "candidate"), "right").read("train")
    assert found.labels.tolist() == [0, 1, 1, 0, 1] and found.complete.all()
    assert found.group_of_example.tolist() == [0, 1, 0, 1, 1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("q", 1), ("q", 0), ("r", 0), ("r", 0)], r"a\.tsv:4: query 'r' has no right candidate "
         r"\(label 1\); every query needs exactly one \(1 of 2 have not\)"),
        ([("q", 1), ("q", 1), ("r", 0), ("r", 1)], r"a\.tsv:2: query 'q' has 2 right candidates"),
    ],
)
def test_queries_without_exactly_one_right_candidate_are_refused(tmp_path, rows, message):
    path = write(tmp_path / "a.tsv", rows)
    task, _ = own_task(path)
    source = FileSource(task, {"train": path}, ("query", "candidate"), "right")
    with pytest.raises(UserError, match=message) as error:
        source.read("train")
    assert "\n" not in str(error.value)
    assert not source.read("train", labelled=False).labelled


def test_a_blank_query_is_refused(tmp_path):
    path = write(tmp_path / "a.tsv", [("q", 1), ("q", 0), (" ", 1), (" ", 0)])
    source = FileSource(own_task(path)[0], {"train": path}, ("query", "candidate"), "right")
    for labelled in (True, False):
        with pytest.raises(UserError, match=r"a\.tsv:4: the query is blank; every candidate"):
            source.read("train", labelled=labelled)


def test_lines_in_pairs_are_those_of_qnli_alone(tmp_path):
    task, _ = own_task(write(tmp_path / "a.tsv", [("q", 1), ("q", 0)]))
    with pytest.raises(UserError, match="--qnli_version: speaks of qnli_rank, and mine ranks all"):
        resolve({"encoder": "tiny", "qnli_version": "1"}, task)
    assert resolve({"encoder": "tiny", "qnli_version": "1"}, TASK).qnli_version == "1"


def test_odd_files_of_candidates_are_refused(tmp_path):
    path = write(tmp_path / "a.tsv", [("q", "yes"), ("q", "no")])
    with pytest.raises(UserError, match=r"a\.tsv:2: label 'yes': of --kind rank it is 1"):
        own_task(path)
    with pytest.raises(UserError, match="reads two columns, a query and a candidate"):
        own_task(path, text_fields=("query",))


def write_qnli(path, rows):
    lines = ["index\tquestion\tsentence\tlabel"]
    lines += [f"{n}\twho {query}?\tAda {n}\t{('entailment', 'not_entailment')[label]}"
              for n, (query, label) in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n")


def test_dev_rows_with_nothing_to_rank_are_refused_before_training(tmp_path):
    (tmp_path / "QNLI").mkdir()
    write_qnli(tmp_path / "QNLI" / "train.tsv", ROWS)
    write_qnli(tmp_path / "QNLI" / "dev.tsv", [("came", 0), ("left", 1)])
    with pytest.raises(UserError, match=r"dev\.tsv: no query has one right candidate"):
        prepare({"task": "qnli_rank", "data": str(tmp_path)}, lambda line: None)


def test_qnli_counts_what_is_not_whole(tmp_path):
    write_qnli(tmp_path / "train.tsv", ROWS)
    found = FolderSource(TASK, tmp_path).read("train")
    assert found.group_of_example.tolist() == examples().group_of_example.tolist()
    assert RANK.note(found, encoded(found)) == f", {examples().coverage}"


def test_the_version_of_qnli_reaches_rows_runs_and_what_is_asked_of_them(tmp_path):
    (tmp_path / "QNLI").mkdir()
    for split in ("train", "dev"):
        write_qnli(tmp_path / "QNLI" / f"{split}.tsv", [("a", 0), ("a", 1), ("a", 1), ("a", 0)])
    given = {"task": "qnli_rank", "data": str(tmp_path), "encoder": "tiny", "qnli_version": "1"}
    one = prepare(given, lambda line: None).tasks["qnli_rank"]
    for split in ("train", "dev"):
        assert one.examples[split].group_of_example.tolist() == [0, 0, 1, 1]
    assert one.features["train"].loss_terms.sum() == 2
    stored = task_from_dict(task_to_dict(one.task))
    assert stored.paired_lines
    run = SimpleNamespace(tasks={"qnli_rank": stored}, configs={"qnli_rank": one.config})
    found = source_for(run, stored, str(tmp_path), None).read("dev")
    assert found.group_of_example.tolist() == [0, 0, 1, 1]
    texts = list(zip(*found.texts, strict=True))
    assert RANK.typed(stored, texts, "typed").group_of_example.tolist() == [0, 0, 1, 1]
    with pytest.raises(UserError, match="no query has one right candidate"):
        prepare(given | {"qnli_version": "2"}, lambda line: None)


def test_a_blank_query_that_is_typed_is_refused():
    with pytest.raises(UserError, match=r"pairs\.txt:2: the query is blank"):
        RANK.typed(TASK, [("who", "Ada"), (" ", "Ada")], "pairs.txt")
    found = RANK.typed(TASK, [("who", "Ada"), ("who", "it")], "pairs.txt")
    assert found.group_of_example.tolist() == [0, 0]


@pytest.mark.slow
def test_a_users_own_candidates_are_trained_with_smoothing_predicted_and_exported(
    tmp_path, capsys
):
    rows = [(query, int(place == number % 3)) for number, query in enumerate("abcdefgh")
            for place in range(3)]
    train_file, dev_file = write(tmp_path / "a.tsv", rows), write(tmp_path / "b.tsv", rows[:12])
    run, output = tmp_path / "run", tmp_path / "serve"
    words = ["--train_file", train_file, "--dev_file", dev_file, "--kind", "rank", "--text_fields",
             "query,candidate", "--label_field", "right", "--smart", "inf", "--batch_size", "6",
             "--max_length", "16", "--max_steps", "3", "--output", run]
    assert train.main([str(word) for word in words]) == 0
    assert "smoothing of a, 6 rows" in capsys.readouterr().out
    header, *steps = (run / "history.csv").read_text().splitlines()
    place = header.split(",").index("smoothing_loss")
    assert steps and all(float(step.split(",")[place]) > 0 for step in steps)
    assert predict.main(["--run", str(run), "--split", "dev"]) == 0
    kept = (run / "predictions" / "a" / "dev.tsv").read_text().splitlines()
    chances = [float(row.split("\t")[kept[0].split("\t").index("probability_1")])
               for row in kept[1:]]
    assert np.allclose(np.reshape(chances, (4, 3)).sum(axis=1), 1, atol=1e-6)
    assert export.main(["--run", str(run), "--output", str(output), "--verify"]) == 0
    assert "verified: answers differ from the run's by" in capsys.readouterr().out


def test_a_request_is_answered_as_the_run_answers_its_rows():
    run = small_run("qnli_rank")
    graph = Graph(run)
    own = open_source(TASK, "sample").read("dev").take(np.arange(60))
    ours = graph.answer("qnli_rank", own)
    outputs = graph.ask_text("qnli_rank", own)
    served = graph.tasks["qnli_rank"]
    assert served.difference(ours, outputs).max() < 1e-5
    found = served.predictions(own, outputs)
    assert np.array_equal(found.values, ours.values) and found.metrics() == ours.metrics()
    assert 0 < ours.metrics()["coverage"] < 1 and set(ours.values) == {0, 1}
    wrong = {name: value[::-1] for name, value in outputs.items()}
    assert served.difference(ours, wrong).max() > 1e-2
    # Rows of token ids know their query by its tokens.
    short = examples()
    features = graph.answer("qnli_rank", short).features
    place = np.arange(24)
    inside = place < features.lengths[:, None]
    ids = np.full(inside.shape, TOKENIZER.pad_id, np.int32)
    ids[inside] = features.token_ids
    second = (inside & (place >= features.first_lengths[:, None])).astype(np.int32)
    by_ids = graph.ask("token_ids", token_ids=ids, segment_ids=second)
    by_text = graph.ask_text("qnli_rank", short)
    for name, value in by_text.items():
        same = np.array_equal if value.dtype == object else np.allclose
        assert same(by_ids[name], value), name


def test_requests_that_verify_an_export_hold_whole_groups():
    facts = SimpleNamespace(
        signatures={"serving_default": {"form": "strings", "task": "qnli_rank"}},
        tasks=Graph(small_run("qnli_rank"), traced=False).tasks,
    )
    own = examples()
    (asked,) = comparison_requests(facts, {"qnli_rank": own})
    queries = [set(request["text_a"].tolist()) for request in asked.requests]
    assert len(queries) == 3 and sum(map(len, queries)) == 5
    _, places = asked.rows["qnli_rank"]
    together = np.concatenate([request["text_b"] for request in asked.requests])
    assert [text.decode() for text in together[places]] == own.texts[1]


def test_a_graph_pairs_lines_as_files_are_paired():
    task = replace(TASK, paired_lines=True)
    served = ServedRanks(task, CONFIG, {})
    random = np.random.default_rng(5)
    for size in (0, 1, 2, 40):
        queries = [str(query) for query in random.integers(0, 2, size)]
        rows = [(query, 0) for query in queries]
        found = served._groups(tf.constant([f"who {query}" for query in queries], tf.string))
        assert found.numpy().tolist() == examples(rows, paired_lines=True).group_of_example.tolist()
