"""Questions, right and wrong answers and no-answer scores, all drawn from a seed.

Drawn with `random.Random.random` alone, whose numbers do not change between Python versions.
"""

import random

# What a golden file holds scores of. Name -> seed, number of questions, share without an answer.
DRAWN = {"both": (1, 600, 0.5), "answerable": (2, 80, 0.0), "unanswerable": (3, 80, 1.0)}
SEED = 11

WORDS = (
    "the", "The", "a", "an", "AN", "o'clock", "U.S.", "10th-century", "£5", "1,000.50", "naïve",
    "Ünal", "漢字", "(northern)", "theatre", "and", "andes", "river", "“quoted”", "the-end", "a.m.",
    "e\u0301tude", "ΟΔΟΣ", "half\u00a0space", "—", "!",
)
NOTHING = ("the", " ", "A!", "...", "“”", "\u00a0")


def drawn_dataset(seed: int, questions: int, unanswerable: float) -> list[dict]:
    """A SQuAD ``data`` list of random words; a share of its questions has no answer."""
    draw = random.Random(seed)
    made = []
    for number in range(questions):
        count = 0 if draw.random() < unanswerable else 1 + int(4 * draw.random())
        answers = [{"text": _words(draw), "answer_start": 0} for _ in range(count)]
        made.append({"id": f"q{number}", "question": "?", "answers": answers})
    return [{"title": "drawn", "paragraphs": [{"context": "", "qas": made}]}]


def drawn_answers(data: list[dict], seed: int) -> tuple[dict[str, str], dict[str, float]]:
    """Predictions and no-answer scores of a poor model, by question id.

    The scores are multiples of 1/64: many are equal, and adding small numbers to them is exact.
    """
    draw = random.Random(seed)
    questions = [q for article in data for part in article["paragraphs"] for q in part["qas"]]
    texts = [answer["text"] for question in questions for answer in question["answers"]]
    predictions, scores = {}, {}
    for question in questions:
        golds = [answer["text"] for answer in question["answers"]]
        predictions[question["id"]] = _prediction(draw, golds, texts or [_words(draw)])
        centre = -1.5 if golds else 1.5
        spread = sum(draw.random() for _ in range(4)) - 2
        scores[question["id"]] = round(64 * (centre + 3 * spread)) / 64
    # In another order than the data: it decides between equal scores.
    return predictions, dict(sorted(scores.items(), key=lambda item: item[0][::-1]))


def _prediction(draw: random.Random, golds: list[str], texts: list[str]) -> str:
    if not golds:
        return "" if draw.random() < 0.5 else _pick(draw, texts + list(NOTHING))
    gold = _pick(draw, golds)
    words = gold.split()
    return _pick(
        draw,
        (
            gold, gold, f"the {gold}", f"  {gold.upper()}.", gold.replace(" ", ", "),
            " ".join(words[1:]), " ".join(words[:-1]), f"{gold} {_words(draw)}",
            f"{gold} {gold}", " ".join(reversed(words)), _pick(draw, texts),
            _pick(draw, NOTHING), "",
        ),
    )


def _words(draw: random.Random) -> str:
    return " ".join(_pick(draw, WORDS) for _ in range(1 + int(5 * draw.random())))


def _pick(draw: random.Random, items):
    return items[int(draw.random() * len(items))]
