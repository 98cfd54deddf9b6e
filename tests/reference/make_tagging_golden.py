"""Writes tagging_golden.json: tag sequences and what seqeval says of them.

    pip install --use-pep517 seqeval
    python -m tests.reference.make_tagging_golden
"""

import json
import random
import warnings
from pathlib import Path

from seqeval import metrics
from seqeval.metrics.sequence_labeling import get_entities

from tests.reference.perturbed_tags import PREFIXES, SEED, SHARE, corpus_tags, damaged, drawn_tags

TARGET = Path(__file__).with_name("tagging_golden.json")
REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
CORPORA = ("conll2003/valid.txt", "conll2000/test.txt")


def scores(gold: list[list[str]], predicted: list[list[str]]) -> dict:
    """Micro averages and accuracy, and of every label precision, recall, F1 and support."""
    report = metrics.classification_report(gold, predicted, output_dict=True, zero_division=0)
    return {
        "precision": metrics.precision_score(gold, predicted, zero_division=0),
        "recall": metrics.recall_score(gold, predicted, zero_division=0),
        "f1": metrics.f1_score(gold, predicted, zero_division=0),
        "accuracy": metrics.accuracy_score(gold, predicted),
        "labels": {
            label: [float(row[key]) for key in ("precision", "recall", "f1-score", "support")]
            for label, row in report.items()
            if not label.endswith(" avg")
        },
    }


def main() -> None:
    draw, cases = random.Random(SEED), []
    for scheme in PREFIXES:
        gold = [drawn_tags(draw, scheme, int(13 * draw.random())) for _ in range(8)]
        predicted = damaged(gold, SEED, 0.4)
        cases.append(
            {
                "scheme": scheme,
                "gold": [" ".join(tags) for tags in gold],
                "predicted": [" ".join(tags) for tags in predicted],
                "entities": [get_entities(tags) for tags in gold],
                "scores": scores(gold, predicted),
            }
        )
    corpora = {}
    for name in CORPORA:
        gold = corpus_tags(REAL / name)
        corpora[name] = scores(gold, damaged(gold, SEED, SHARE))
    TARGET.write_text(json.dumps({"cases": cases, "corpora": corpora}) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
