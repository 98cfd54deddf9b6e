"""SQuAD's JSON as a stream of questions, every problem told with file, question and place."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tfglue.errors import UserError, suggestion
from tfglue.files import read_json
from tfglue.tasks.squad_question import SquadQuestion, question_name
from tfglue.tasks.tables import is_utf8_text

SUFFIX = ".json"

_ARTICLE = {"paragraphs": list}
_PARAGRAPH = {"context": str, "qas": list}
_QUESTION = {"id": str, "question": str}
_ANSWER = {"text": str, "answer_start": int}
_LAYOUT = "SQuAD's JSON nests data, paragraphs, qas and answers"
_TYPES = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a fraction",
    type(None): "null",
}
_KEYS_SHOWN = 8

Report = Callable[[str, str], None]


class SquadDocument:
    """One file of questions on passages, in the JSON of SQuAD 1.1 or 2.0.

    A question has an ``id``, a ``question``, and ``answers`` of ``text`` and ``answer_start`` (in
    characters) or ``is_impossible``. Whatever else is in the file is not looked at, plausible
    answers included.

    Args:
        path: the file, UTF-8 with or without a byte-order mark.
        on_problem: called with ``"path: where: message"`` for each bad question, paragraph or
            article, which is then left out; by default the first one raises UserError.

    Raises UserError for a file that is missing, no JSON, or without ``data``.
    """

    def __init__(self, path: Path | str, on_problem: Callable[[str], None] | None = None):
        self.path = Path(path)
        self._on_problem = on_problem or _raise
        if self.path.suffix.lower() != SUFFIX:
            raise UserError(f"{path}: questions are read from JSON; the name must end in {SUFFIX}")
        content = read_json(self.path)
        problem = _object_problem(content, {"data": list})
        if problem:
            raise UserError(f"{path}: {problem}")
        self._articles = content["data"]

    @property
    def labelled(self) -> bool:
        """Whether any question has an answer, or is marked as one without."""
        return any(
            record.get("answers") or record.get("is_impossible")
            for _, _, record in self._records(lambda where, message: None)
        )

    def problem(self, where: str, message: str) -> None:
        """Reports a problem of one place: raises UserError, or calls `on_problem`."""
        self._on_problem(f"{self.path}: {where}: {message}")

    def questions(self, labelled: bool = True) -> Iterator[SquadQuestion]:
        """Yields the questions that have all they need, in the order of the file.

        Args:
            labelled: whether answers are read; without, no question has any.
        """
        for place, context, record in self._records(self.problem):
            golds: list[tuple[str, int]] = []
            impossible = False
            if labelled:
                problem = _answers_problem(record)
                if problem:
                    self.problem(question_name(record["id"], place), problem)
                    continue
                impossible = record.get("is_impossible", False)
                golds = [
                    (answer["text"], answer["answer_start"]) for answer in record.get("answers", ())
                ]
            yield SquadQuestion(
                record["id"], record["question"], context, golds, impossible, place
            )

    def _records(self, report: Report) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yields the place of each question, its passage, and the question as it stands."""
        for article_at, article in _objects(self._articles, "data", _ARTICLE, report):
            paragraphs = f"{article_at}.paragraphs"
            for at, paragraph in _objects(article["paragraphs"], paragraphs, _PARAGRAPH, report):
                for place, record in _objects(paragraph["qas"], f"{at}.qas", _QUESTION, report):
                    yield place, paragraph["context"], record


def _objects(
    items: list, place: str, fields: Mapping[str, type], report: Report
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields place and object of each item that has the fields; reports the others."""
    for number, item in enumerate(items):
        where = f"{place}[{number}]"
        problem = _object_problem(item, fields)
        if not problem:
            yield where, item
            continue
        named = isinstance(item, dict) and isinstance(item.get("id"), str)
        report(question_name(item["id"], where) if named else where, problem)


def _answers_problem(record: dict[str, Any]) -> str:
    impossible = record.get("is_impossible", False)
    if not isinstance(impossible, bool):
        return f"'is_impossible' must be true or false, not {_TYPES[type(impossible)]}"
    if impossible and "answers" not in record:
        return ""
    problem = _object_problem(record, {"answers": list})
    if problem:
        return problem
    for number, answer in enumerate(record["answers"]):
        problem = _object_problem(answer, _ANSWER)
        if problem:
            return f"answers[{number}]: {problem}"
    return ""


def _object_problem(value: Any, fields: Mapping[str, type]) -> str:
    """What is wrong with a value that should be an object of these fields, empty if nothing is."""
    if not isinstance(value, dict):
        return f"expected an object with '{next(iter(fields))}', not {_TYPES[type(value)]}"
    for key, kind in fields.items():
        if key not in value:
            keys = ", ".join([*value][:_KEYS_SHOWN]) or "none"
            return f"no key '{key}'{suggestion(key, value)} (keys: {keys}); {_LAYOUT}"
        # Not isinstance: to Python, true is a whole number.
        if type(value[key]) is not kind:
            return f"'{key}' must be {_TYPES[kind]}, not {_TYPES[type(value[key])]}"
        if kind is str and not is_utf8_text(value[key]):
            return f"'{key}' holds a NUL or half a surrogate pair, which UTF-8 text cannot"
    return ""


def _raise(problem: str) -> None:
    raise UserError(problem)
