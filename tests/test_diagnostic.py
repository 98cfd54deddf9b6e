"""Scores by linguistic category, beside scikit-learn."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from tfglue.diagnostic import CATEGORIES, LabelledDiagnostics, to_csv, to_json
from tfglue.errors import UserError

NLI = ("contradiction", "entailment", "neutral")


def labelled(path: Path, gold: list[str], cells: list[tuple[str, str, str, str]]) -> Path:
    header = "\t".join([*CATEGORIES, "Domain", "Premise", "Hypothesis", "Label"])
    rows = ["\t".join([*row, "News", "a", "b", g]) for row, g in zip(cells, gold, strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def gold_file(tmp_path):
    """A labelled diagnostic file of drawn labels and categories, and those."""
    rng = np.random.default_rng(1)
    gold = rng.choice(NLI, 1104).tolist()
    logic = rng.choice(["", "Negation", "Negation;Double negation", "Conjunction"], 1104).tolist()
    lexical = rng.choice(["", "Factivity"], 1104).tolist()
    cells = [(a, "", b, "") for a, b in zip(lexical, logic, strict=True)]
    return labelled(tmp_path / "diagnostic-full.tsv", gold, cells), gold, logic


def test_category_scores_are_those_of_scikit_learn(gold_file):
    path, gold, logic = gold_file
    rng = np.random.default_rng(2)
    answers = [g if rng.random() < 0.6 else rng.choice(NLI) for g in gold]
    scores = LabelledDiagnostics.read(path).scores(answers)
    found = {(score.category, score.fine): score for score in scores}

    def expected(chosen):
        rows = [i for i, cell in enumerate(logic) if chosen(cell.split(";"))]
        return len(rows), matthews_corrcoef([gold[i] for i in rows], [answers[i] for i in rows])

    assert found["all", ""].matthews_correlation == matthews_corrcoef(gold, answers)
    for fine in ("Negation", "Double negation", "Conjunction"):
        score = found["Logic", fine]
        rows, value = expected(lambda parts, fine=fine: fine in parts)
        assert (score.rows, score.matthews_correlation) == (rows, value)
    rows, value = expected(any)
    assert (found["Logic", ""].rows, found["Logic", ""].matthews_correlation) == (rows, value)
    assert (found["Knowledge", ""].rows, found["Knowledge", ""].matthews_correlation) == (0, 0.0)
    content = json.loads(to_json(scores))
    assert list(content) == ["all", *CATEGORIES]
    assert list(content["Logic"]["fine"]) == ["Conjunction", "Double negation", "Negation"]
    table = to_csv(scores).splitlines()
    assert table[0] == "category,fine,rows,matthews_correlation"
    assert len(table) == 1 + len(scores)


def test_a_labelled_file_that_is_not_the_diagnostic_set_is_one_line(tmp_path, gold_file):
    path, gold, _ = gold_file
    short = labelled(tmp_path / "short.tsv", gold[:5], [("", "", "", "")] * 5)
    with pytest.raises(UserError, match=r"short.tsv: 5 rows, expected the 1,104 of AX"):
        LabelledDiagnostics.read(short)
    wrong = labelled(tmp_path / "wrong.tsv", ["neutrl"], [("", "", "", "")])
    with pytest.raises(UserError, match=r"wrong.tsv:2: unknown label 'neutrl'; did you mean"):
        LabelledDiagnostics.read(wrong)
    path.write_text(path.read_text().replace("Logic", "logic", 1))
    with pytest.raises(UserError, match=r"no column 'Logic'; did you mean 'logic'"):
        LabelledDiagnostics.read(path)
