"""Oracles: what they propose, and that no kill repeats or loses a trial."""

import json
import threading
from contextlib import nullcontext

import numpy as np
import pytest

from tests.tuning.fake import MAX_EPOCHS, SPACE, FakeModel, Killed, fake_search, outcome
from tfglue.errors import UserError
from tfglue.files import CannotWrite
from tuning.service import OracleClient, serve
from tuning.trial_record import FINISHED
from tuning.worker import work

SEARCHES = {
    "random": dict(tuner="random", trials=6),
    "grid": dict(tuner="grid", grid_points=3),
    "hyperband": dict(tuner="hyperband"),
    # Fewer points than the nine of the first rung.
    "hyperband of few": dict(tuner="hyperband", space=["learning_rate=choice:1e-4,3e-4,1e-3,1e-2"]),
}


def searched(path, **search):
    _, oracle, model = fake_search(path, **search)
    work(oracle, "worker0", model)
    return outcome(path)


@pytest.mark.parametrize("name", SEARCHES)
def test_killed_anywhere_and_resumed_it_is_the_same_search(tmp_path, name):
    whole = searched(tmp_path / "whole", **SEARCHES[name])
    trained, kills, left = [], 0, 0
    while True:
        # Killed at the first point, resumed and killed at the second one from there, and so on.
        kills += 1
        left = kills

        def killer(point):
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed(point)

        _, oracle, model = fake_search(tmp_path / "killed", killer, **SEARCHES[name])
        try:
            work(oracle, "worker0", model)
            break
        except Killed:
            pass
        finally:
            trained += model.trained
    assert kills > 5
    assert outcome(tmp_path / "killed") == whole
    assert sorted(trained) == sorted(whole)  # None lost, none twice.


@pytest.mark.slow
def test_a_bayesian_search_goes_on_after_kills(tmp_path):
    for kill in (3, 45):
        left = kill

        def killer(point):
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed(point)

        _, oracle, model = fake_search(tmp_path, killer, tuner="bayesian", trials=9)
        with pytest.raises(Killed):
            work(oracle, "worker0", model)
    _, oracle, model = fake_search(tmp_path, tuner="bayesian", trials=9)
    work(oracle, "worker0", model)
    found = outcome(tmp_path)
    assert sorted(found) == list(range(9))
    assert len({json.dumps(values) for values, _ in found.values()}) == 9


@pytest.mark.slow
def test_a_bayesian_search_comes_near_to_what_is_best(tmp_path):
    found = searched(tmp_path, tuner="bayesian", trials=8, space=["learning_rate=log:1e-5:1e-2"])
    scores = [score for _, score in found.values()]
    # The best score is .03. The first three trials are drawn at random.
    assert max(scores[:3]) < -0.15 and max(scores) > -0.07


def test_where_all_was_tried_a_bayesian_search_ends(tmp_path):
    found = searched(tmp_path, tuner="bayesian", trials=9, space=["batch_size=choice:8,16,32",
                     "learning_rate=choice:1e-4,1e-3"])
    assert len({json.dumps(values) for values, _ in found.values()}) == len(found) == 6


def test_the_grid_is_every_combination_in_order(tmp_path):
    found = searched(tmp_path, **SEARCHES["grid"])
    rates = [1e-5, 0.0003162, 0.01]
    assert [values for values, _ in found.values()] == [
        {"learning_rate": rate, "batch_size": size} for rate in rates for size in (8, 16)
    ]


def begun(oracle, *workers):
    """Worker -> the number of the trial that it is given."""
    return {name: int(oracle.create_trial(name).trial_id) for name in workers}


@pytest.mark.parametrize("tuner", ["random", "hyperband"])
def test_a_new_chief_leaves_its_trial_to_a_worker_that_is_still_at_it(tmp_path, tuner):
    _, oracle, model = fake_search(tmp_path, tuner=tuner)
    # With Hyperband the second is a run that goes on, so that it is trained in the first's place.
    if tuner == "hyperband":
        while not (trial := oracle.create_trial("a")).hyperparameters.values.get("tuner/trial_id"):
            trained(oracle, model, trial)
    assert begun(oracle, "a", "b", "c").keys() == {"a", "b", "c"}
    first = begun(oracle, "a", "b", "c")  # The same again: who has a trial goes on with it.
    living = oracle.ongoing_trials["a"]
    place = model.folder.place(first["a"], living.hyperparameters.values)
    assert (place == model.folder.trial(first["a"])) == (tuner == "random")
    with model.folder.training(place, pytest.fail):
        _, oracle, model = fake_search(tmp_path, tuner=tuner)
        # Those of b and c, who are gone, are given to whoever comes.
        assert begun(oracle, "d", "b") == {"d": first["b"], "b": first["c"]}
        assert begun(oracle, "a") == {"a": first["a"]}
        assert "a" in oracle.tuner_ids  # The chief waits until it has heard of the end.
        trained(oracle, model, living)
        assert begun(oracle, "a").values() != {first["a"]}
    _, oracle, _ = fake_search(tmp_path, tuner=tuner)
    assert first["a"] not in begun(oracle, "a", "b", "c", "d", "e").values()


def trained(oracle, model, trial):
    record = model.fit(trial.hyperparameters, trial=int(trial.trial_id))
    oracle.update_trial(trial.trial_id, {"score": record.score})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)


def test_of_two_workers_with_one_trial_the_second_waits_and_does_not_train_it_again(tmp_path):
    _, oracle, model = fake_search(tmp_path, tuner="random", trials=1)
    trial = oracle.create_trial("first")
    second = FakeModel(model.plan, model.folder)
    _, other, _ = fake_search(tmp_path, tuner="random", trials=1)  # Gives it out again.
    ended = []
    oracle.on_end = other.on_end = ended.append
    with model.folder.training(model.folder.trial(0), pytest.fail):
        waits = threading.Thread(target=work, args=(other, "second", second), daemon=True)
        waits.start()
        while "second" not in other.ongoing_trials:
            assert waits.is_alive()
        trained(other, model, trial)
        assert waits.is_alive() and not second.trained
    waits.join(20)
    assert not waits.is_alive() and not second.trained and model.trained == [0]
    assert ended == [0]  # What the second one says of it is no news.


def test_what_a_kill_keeps_from_being_told_is_told_when_the_search_goes_on(tmp_path):
    told = []
    for points in (1, 99):
        left = points

        def killer(point):
            nonlocal left
            if point == "ended":
                left -= 1
                if left == 0:
                    raise Killed(point)
                told.append(point)

        _, oracle, model = fake_search(tmp_path, killer, tuner="random", trials=2)
        with pytest.raises(Killed) if points == 1 else nullcontext():
            work(oracle, "worker0", model)
    assert len(told) == 2


def test_a_search_may_be_given_more_trials(tmp_path):
    few = searched(tmp_path / "a", tuner="random", trials=4)
    more = searched(tmp_path / "a", tuner="random", trials=12)
    assert more == searched(tmp_path / "b", tuner="random", trials=12)
    assert few.items() <= more.items() and len(more) == 12


@pytest.mark.parametrize("seed", [0, 1])
def test_the_seed_decides_what_is_drawn(tmp_path, seed):
    first = searched(tmp_path / "a", tuner="random", trials=5, search_seed=seed)
    assert first == searched(tmp_path / "b", tuner="random", trials=5, search_seed=seed)
    rates = {values["learning_rate"] for values, _ in first.values()}
    other = searched(tmp_path / "c", tuner="random", trials=5, search_seed=seed + 1)
    # keras-tuner's own draws of neighbouring seeds overlap.
    assert rates.isdisjoint(values["learning_rate"] for values, _ in other.values())


def test_hyperband_trains_as_many_epochs_as_it_says(tmp_path):
    _, oracle, model = fake_search(tmp_path, **SEARCHES["hyperband"])
    # Li et al. 2018 with 9 epochs and factor 3, in brackets of keras-tuner's sizes:
    # 9 x 1 + 3 x 2 + 1 x 6; 5 x 3 + 2 x 6; 3 x 9.
    assert oracle.budget() == (17, 75)
    work(oracle, "worker0", model)
    records = model.folder.records()
    assert sum(record.epochs for record in records) == 75
    assert sum(record.continues is None for record in records) == 17
    assert sum(record.status == FINISHED for record in records) == 1 + 2 + 3
    by_number = {record.trial: record for record in records}
    for record in records:
        if record.continues is not None:
            before = by_number[record.continues]
            rivals = [r for r in records if r.continues is None and r.epochs == before.epochs]
            assert before.values == record.values and record.score > before.score
            assert before.continues is not None or before.score >= np.median(
                [r.score for r in rivals]
            )


def test_twice_as_many_iterations_are_twice_the_budget(tmp_path):
    _, oracle, model = fake_search(tmp_path, tuner="hyperband")
    work(oracle, "worker0", model)
    once = len(outcome(tmp_path))
    _, oracle, model = fake_search(tmp_path, tuner="hyperband", iterations=2)
    assert oracle.budget() == (34, 150)
    work(oracle, "worker0", model)
    assert len(outcome(tmp_path)) == 2 * once and len(model.trained) == once


def test_hyperband_finishes_in_a_space_of_few_points(tmp_path):
    _, oracle, model = fake_search(tmp_path, **SEARCHES["hyperband of few"])
    # All four points, then a third of them, rounded up, then one: 4 x 1 + 2 x 2 + 1 x 6 epochs.
    assert oracle.budget(oracle.points) == (4, 14)
    work(oracle, "worker0", model)
    records = model.folder.records()
    assert [record.epochs for record in records] == [1, 1, 1, 1, 2, 2, 6]
    assert {record.values["learning_rate"] for record in records[:4]} == {1e-4, 3e-4, 1e-3, 1e-2}
    assert [record.values["learning_rate"] for record in records[4:]] == [1e-3, 3e-4, 1e-3]
    assert [record.status for record in records].count(FINISHED) == 1


@pytest.mark.parametrize("points", ["1e-4,1e-3", "1e-4,1e-3,1e-2", "1e-3,2e-3,3e-3"])
@pytest.mark.parametrize("factor", [2, 3])
def test_hyperband_throws_out_what_diverges(tmp_path, points, factor):
    space = [f"learning_rate=choice:{points}", "batch_size=choice:8,16"]
    plan, oracle, model = fake_search(tmp_path, tuner="hyperband", factor=factor, space=space)
    model = FakeModel(plan, model.folder, diverges_above=1.5e-3)
    work(oracle, "worker0", model)
    records = model.folder.records()
    finished = [record for record in records if record.status == FINISHED]
    # A setting that diverged does not go on, and one that did not ends its bracket.
    assert finished and finished[0].values["learning_rate"] == 1e-3
    diverged = {record.trial for record in records if record.score is None}
    assert not diverged & {record.continues for record in records}


def test_a_hyperband_of_failures_ends(tmp_path):
    space = ["learning_rate=choice:1e-4,1e-3"]
    plan, oracle, model = fake_search(tmp_path, tuner="hyperband", space=space)
    work(oracle, "worker0", FakeModel(plan, model.folder, diverges_above=0.0))
    assert len(model.folder.records()) == 2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dimension", ["batch_size=int:1:6", "batch_size=log:3:8"])
def test_a_random_search_comes_to_every_point(tmp_path, seed, dimension):
    space = ["learning_rate=choice:1e-4,1e-3", dimension]
    found = searched(tmp_path, tuner="random", trials=20, search_seed=seed, space=space)
    assert len(found) == len({json.dumps(values) for values, _ in found.values()}) == 12


@pytest.mark.parametrize("name", SEARCHES)
def test_two_workers_try_what_one_does(tmp_path, monkeypatch, name):
    alone = searched(tmp_path / "one", **SEARCHES[name])
    plan, oracle, model = fake_search(tmp_path / "two", **SEARCHES[name])
    models = [FakeModel(plan, model.folder, seconds=seconds) for seconds in (0.01, 0.05)]
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    threads = []

    def start(port):
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(port))
        for number, model in enumerate(models):
            monkeypatch.setenv("KERASTUNER_TUNER_ID", f"worker{number}")
            client = OracleClient(None)
            threads.append(threading.Thread(target=work, args=(client, f"worker{number}", model)))
        for thread in threads:
            thread.start()

    serve(oracle, "127.0.0.1:0", lambda: not any(t.is_alive() for t in threads), start)
    both = outcome(tmp_path / "two")
    assert all(model.trained for model in models)
    assert sorted(models[0].trained + models[1].trained) == sorted(both)
    if name.startswith("hyperband"):  # Which settings go on depends on which trials are over.
        assert len(both) == len(alone)
    else:
        assert both == alone


def test_a_diverged_trial_counts_as_the_worst_of_the_others(tmp_path):
    plan, oracle, model = fake_search(tmp_path, tuner="random", trials=12)
    model = FakeModel(plan, model.folder, diverges_above=1e-3)
    work(oracle, "worker0", model)
    told = {int(name): trial for name, trial in oracle.trials.items()}
    records = model.folder.records()
    diverged = [record.trial for record in records if record.score is None]
    assert len(records) == 12
    before: list[float] = []
    compared = 0
    for record in records:  # One worker: trials end in their order.
        trial = told[record.trial]
        if record.score is not None:
            assert trial.score == record.score
            before.append(record.score)
        elif before:
            assert (trial.status, trial.score) == ("COMPLETED", min(before))
            compared += len(set(before)) > 1
        else:
            assert (trial.status, trial.score) == ("FAILED", None)
    assert diverged and compared  # The worst differs from the best somewhere.


def test_where_a_low_score_is_good_the_worst_is_the_highest(tmp_path):
    plan, oracle, model = fake_search(tmp_path, tuner="random", trials=8, objective="loss")
    model = FakeModel(plan, model.folder, diverges_above=1e-3)
    work(oracle, "worker0", model)
    before: list[float] = []
    compared = 0
    for record in model.folder.records():
        told = oracle.trials[str(record.trial)].score
        assert told == (record.score if record.score is not None else max(before, default=None))
        compared += record.score is None and len(set(before)) > 1
        before += record.scores
    assert compared


def test_trials_that_all_diverge_end_the_search(tmp_path):
    plan, oracle, model = fake_search(tmp_path, tuner="random", trials=12)
    model = FakeModel(plan, model.folder, diverges_above=0.0)
    with pytest.raises(UserError, match="none of 5 trials has a score"):
        work(oracle, "worker0", model)


@pytest.mark.parametrize("damage", ["{", "[]", '{"format": "x"}', "cut", "no trials"])
def test_a_damaged_state_is_named(tmp_path, damage):
    searched(tmp_path, tuner="random", trials=3)
    file = tmp_path / "tuner.json"
    if damage == "cut":
        damage = file.read_text()[:-200]
    elif damage == "no trials":
        damage = json.dumps(json.loads(file.read_text()) | {"trials": {}})
        file.write_text(damage)
        content = json.loads(damage)
        content["oracle"]["ongoing_trials"] = {"worker0": "2"}
        damage = json.dumps(content)
    file.write_text(damage)
    with pytest.raises(UserError, match=r"tuner\.json"):
        fake_search(tmp_path, tuner="random", trials=3)


def test_a_state_that_is_gone_is_named(tmp_path):
    searched(tmp_path, tuner="random", trials=3)
    (tmp_path / "tuner.json").unlink()
    with pytest.raises(UserError, match=r"tuner\.json: no such file.*--overwrite"):
        fake_search(tmp_path, tuner="random", trials=3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("task: rte", "task: [rte]", "train: task: expected one value"),
     ("trials: 3", "trials: x", "search: trials: expected a whole number, not 'x'"),
     ("trials: 3", "trails: 3", "search: unknown key 'trails'; did you mean 'trials'?")],
)  # fmt: skip
def test_a_mistake_in_what_was_asked_is_named(tmp_path, old, new, message):
    plan, _, model = fake_search(tmp_path, tuner="random", trials=3)
    asked = {"search": {"trials": 3}, "train": {"task": "rte"}, "space": []}
    model.folder.write(asked, plan, {"encoder": "x", "data": {}, "epochs": 3.0})
    assert model.folder.read()["asked"] == asked
    file = model.folder.asked
    text = file.read_text()
    start = text.index("asked:")
    file.write_text(text[:start] + text[start:].replace(old, new, 1))
    with pytest.raises(UserError, match=r"search\.yaml: ") as error:
        model.folder.read()
    assert message in str(error.value)


def test_a_full_disk_ends_the_chief(tmp_path, monkeypatch):
    _, oracle, _ = fake_search(tmp_path, tuner="random", trials=3)
    monkeypatch.setattr("tuning.oracles.write_json", full)

    def start(port):
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(port))
        monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker0")
        threading.Thread(target=ask, args=(OracleClient(None),), daemon=True).start()

    with pytest.raises(CannotWrite, match="No space left"):
        serve(oracle, "127.0.0.1:0", lambda: False, start)


def full(path, value):
    raise CannotWrite(path, "No space left on device")


def ask(client):
    try:
        client.create_trial("worker0")
    except Exception:  # The server hides what it was.
        return


def test_an_address_that_cannot_be_listened_at_is_one_line(tmp_path):
    _, oracle, _ = fake_search(tmp_path, tuner="random", trials=1)
    with pytest.raises(UserError, match=r"cannot listen at 203\.0\.113\.7:1"):
        serve(oracle, "203.0.113.7:1")


assert MAX_EPOCHS == 9 and len(SPACE) == 2  # What the numbers above are of.
