"""Rows for question answering and tagging a second, beside the fast tokenizers of `transformers`.

    python benchmarks/features.py --vocab uncased-vocab.txt --data DATA_FOLDER

Both sides cut the questions of SQuAD 2.0 into windows of 384 tokens with their answers, and align
the words of CoNLL-2003 with their tags, as the examples of `transformers` do it. First the rows of
both sides are compared, token by token and label by label. Then they take turns in one process; the
median of the rounds counts. Nothing comes from a cache.
"""

import argparse
import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tfglue.command_line import quiet_tensorflow
from tfglue.files import write_json

LENGTH, STRIDE = 384, 128
SENTENCE_LENGTH = 128
NO_LABEL = -100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--examples", type=int, help="of each task at most [all]")
    parser.add_argument("--results", type=Path, default=Path("docs/results/features.json"))
    flags = parser.parse_args()
    quiet_tensorflow()
    with TemporaryDirectory() as empty:
        os.environ["TFGLUE_CACHE"] = empty
        found = {"load": os.getloadavg()[0], "cpus": os.cpu_count(), "rounds": flags.rounds}
        for task, side in (("squad2", Questions), ("ner", Sentences)):
            found[task] = compared(side(flags.vocab, examples(task, flags)), flags.rounds)
            print(task, found[task], flush=True)
    write_json(flags.results, found)


def examples(task: str, flags):
    from tfglue import tasks
    from tfglue.data.sources import open_source

    read = open_source(tasks.get(task), str(flags.data)).read("train")
    return read.take(np.arange(min(len(read), flags.examples or len(read))))


def compared(sides: "Sides", rounds: int) -> dict:
    """Whether both sides agree, and what each takes."""
    agreement = sides.differences()
    rows = {"tfglue": len(sides.ours()), "transformers": len(sides.theirs(sides.encoded()))}
    seconds = {"tfglue": [], "transformers": [], "transformers, token ids alone": []}
    for _ in range(rounds):
        start = time.perf_counter()
        sides.ours()
        middle = time.perf_counter()
        encoded = sides.encoded()
        tokenized = time.perf_counter()
        sides.theirs(encoded)
        end = time.perf_counter()
        for side, taken in zip(
            seconds, (middle - start, end - middle, tokenized - middle), strict=True
        ):
            seconds[side].append(taken)
    medians = {side: statistics.median(values) for side, values in seconds.items()}
    return agreement | {
        "examples": len(sides.examples),
        "rows": rows,
        "rows_per_second": {
            side: rows[side.split(",")[0]] / median for side, median in medians.items()
        },
        "ratio": {
            side: median / medians["tfglue"]
            for side, median in medians.items() if side != "tfglue"
        },
        "ratios_of_rounds": [
            theirs / ours
            for ours, theirs in zip(seconds["tfglue"], seconds["transformers"], strict=True)
        ],
    }


class Sides:
    """Features of some examples by us and by `transformers`.

    Args:
        vocab: file with an uncased vocabulary.
        examples: what both make rows of.
    """

    def __init__(self, vocab: str, examples):
        from transformers import BertTokenizerFast

        from tfglue.data.tokenizer import BertTokenizer

        self.examples = examples
        self.tokenizer = BertTokenizer.from_file(vocab)
        self.fast = BertTokenizerFast(vocab, do_lower_case=True)


class Questions(Sides):
    """Windows of questions and passages, each with the first and last token of the answer."""

    def ours(self):
        from tfglue.data.span_features import SpanWindowing, span_features

        return span_features(
            self.examples, self.tokenizer, SpanWindowing(LENGTH, STRIDE, 64, True)
        )

    def encoded(self, rows=None, overlap=STRIDE):
        rows = range(len(self.examples)) if rows is None else rows
        return self.fast(
            [self.examples.texts[row] for row in rows],
            [self.examples.context(row) for row in rows],
            truncation="only_second", max_length=LENGTH, stride=overlap,
            return_overflowing_tokens=True, return_offsets_mapping=True,
        )

    def theirs(self, encoded, rows=None) -> list[tuple[int, int]]:
        """Answers as the question-answering example of `transformers` finds them."""
        rows = range(len(self.examples)) if rows is None else rows
        answers = []
        for window, offsets in enumerate(encoded["offset_mapping"]):
            golds = self.examples.answers[rows[encoded["overflow_to_sample_mapping"][window]]]
            sequence = encoded.sequence_ids(window)
            first = sequence.index(1)
            last = len(sequence) - 1 - sequence[::-1].index(1)
            begin, end = (golds[0][1], golds[0][1] + len(golds[0][0])) if golds else (-1, -1)
            if not golds or offsets[first][0] > begin or offsets[last][1] < end:
                answers.append((0, 0))
                continue
            while first <= last and offsets[first][0] <= begin:
                first += 1
            while offsets[last][1] >= end:
                last -= 1
            answers.append((first - 1, last + 1))
        return answers

    def differences(self) -> dict:
        """Windows that differ, with windows of `transformers` that begin where ours do.

        Our stride is that of BERT's code, from the beginning of a window to the next; theirs is
        what two windows share, so that it depends on the length of the question.
        """
        ours = self.ours()
        lengths = [len(ids) for ids in self.fast(
            self.examples.texts, add_special_tokens=False)["input_ids"]]
        windows = {"compared": 0, "with other token ids": 0, "with another answer": 0}
        for length in sorted(set(lengths)):
            rows = [row for row, own in enumerate(lengths) if own == length]
            encoded = self.encoded(rows, LENGTH - 3 - length - STRIDE)
            answers = self.theirs(encoded, rows)
            made = [w for row in rows for w in range(*ours.question_splits[row : row + 2])]
            assert len(made) == len(answers)
            for window, ids, answer in zip(made, encoded["input_ids"], answers, strict=True):
                begin, end = ours.row_splits[window : window + 2]
                windows["compared"] += 1
                windows["with other token ids"] += ours.token_ids[begin:end].tolist() != ids
                windows["with another answer"] += tuple(ours.labels[window].tolist()) != answer
        return {"windows": windows}


class Sentences(Sides):
    """Words of sentences with their tags at the first piece."""

    def ours(self, length=SENTENCE_LENGTH):
        from tfglue.data.tag_features import tag_features

        return tag_features(self.examples, self.tokenizer, length)

    def encoded(self, length=SENTENCE_LENGTH):
        words = [self.examples.sentence(row) for row in range(len(self.examples))]
        return self.fast(words, is_split_into_words=True, truncation=True, max_length=length)

    def theirs(self, encoded) -> list[list[int]]:
        """Tags as the token-classification example of `transformers` aligns them."""
        labels = []
        for row in range(len(self.examples)):
            begin, end = self.examples.row_splits[row : row + 2]
            tags = self.examples.tags[begin:end]
            previous, own = None, []
            for word in encoded.word_ids(row):
                silent = word is None or word == previous
                own.append(NO_LABEL if silent else int(tags[word]))
                previous = word
            labels.append(own)
        return labels

    def differences(self) -> dict:
        """Sentences that differ, none of them cut: `transformers` drops what does not fit."""
        long = 512
        ours, encoded = self.ours(long), self.encoded(long)
        labels = np.where(ours.labels < 0, NO_LABEL, ours.labels)
        sentences = {"compared": 0, "with other token ids": 0, "with other tags": 0}
        pairs = zip(encoded["input_ids"], self.theirs(encoded), strict=True)
        for row, (ids, tags) in enumerate(pairs):
            begin, end = ours.row_splits[row : row + 2]
            sentences["compared"] += 1
            sentences["with other token ids"] += ours.token_ids[begin:end].tolist() != ids
            sentences["with other tags"] += labels[begin:end].tolist() != tags
        return {"sentences": sentences}


if __name__ == "__main__":
    main()
