"""Classes of tasks, and how pictures show them."""

CLASS_COLOURS = {"CR": "#17a2b8", "QA": "#e8852b", "SL": "#8059a8", "?": "#777777"}
"""Classification or regression, question answering, sequence labelling, and what is not known."""

CLASS_MARKERS = {"CR": "s", "QA": "o", "SL": "^", "?": "D"}

CLASS_NAMES = {
    "CR": "classification, regression", "QA": "question answering", "SL": "sequence labelling",
    "?": "texts",
}

_CLASS_OF_KIND = {
    "classify": "CR", "regress": "CR", "answerable": "CR", "rank": "CR", "span": "QA", "tag": "SL",
}


def task_class(kind: str | None) -> str:
    """The class of tasks that Vu et al. (2020) put a kind into; ``?`` where it is not known."""
    return _CLASS_OF_KIND.get(kind or "", "?")
