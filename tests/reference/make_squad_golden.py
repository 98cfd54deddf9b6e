"""Writes squad_golden.json: what SQuAD's evaluation script says of the drawn answers.

    pip install --no-deps --target FOLDER tf-models-official
    PYTHONPATH=FOLDER python -m tests.reference.make_squad_golden

Google's package holds the script as a function; `transformers` no longer does. Its threshold is
fixed at 1.0: another is had by moving the scores, which are such that this is exact.
"""

import json
from pathlib import Path

from official.nlp.tools.squad_evaluate_v2_0 import evaluate

from tests.reference.perturbed_answers import DRAWN, SEED, drawn_answers, drawn_dataset

TARGET = Path(__file__).with_name("squad_golden.json")
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "squad" / "dev-v2.0.json"
THRESHOLDS = (1.0, 0.0, -2.25)


def scores(data: list[dict]) -> dict[str, dict[str, float]]:
    """Threshold, or "none" without no-answer scores -> the official numbers."""
    predictions, null_scores = drawn_answers(data, SEED)
    found = {"none": _without_search(evaluate(data, predictions))}
    searched = evaluate(data, predictions, null_scores)
    for threshold in THRESHOLDS:
        moved = {key: value + (1.0 - threshold) for key, value in null_scores.items()}
        cut = {**searched, **_without_search(evaluate(data, predictions, moved))}
        found[str(threshold)] = {
            key.replace("final_", "best_"): value for key, value in cut.items()
        }
    return found


def _without_search(numbers: dict[str, float]) -> dict[str, float]:
    return {
        key: value
        for key, value in numbers.items()
        if key.removeprefix("HasAns_").removeprefix("NoAns_") in ("exact", "f1", "total")
    }


def main() -> None:
    golden = {name: scores(drawn_dataset(*drawn)) for name, drawn in DRAWN.items()}
    golden["dev-v2.0"] = scores(json.loads(REAL.read_text(encoding="utf-8"))["data"])
    TARGET.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
