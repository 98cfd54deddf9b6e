"""Rows for question answering and tagging a second, beside the fast tokenizers of `transformers`.

    python benchmarks/features.py --vocab uncased-vocab.txt --data DATA_FOLDER

Both sides cut the questions of SQuAD 2.0 into windows of 384 tokens with their answers, and align
the words of CoNLL-2003 with their tags. They take turns in one process; the median of the rounds
counts. Nothing comes from a cache.
"""

import argparse
import statistics
import time
from pathlib import Path

from tfglue.command_line import quiet_tensorflow
from tfglue.files import write_json

LENGTH, STRIDE = 384, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=Path("docs/results/features.json"))
    flags = parser.parse_args()
    quiet_tensorflow()
    from tfglue import tasks
    from tfglue.data.sources import open_source
    from tfglue.data.tokenizer import BertTokenizer

    ours = Ours(BertTokenizer.from_file(flags.vocab))
    theirs = Theirs(flags.vocab)
    found = {}
    for task, name in (("squad2", "questions"), ("ner", "sentences")):
        examples = open_source(tasks.get(task), str(flags.data)).read("train")
        sides = {"tfglue": getattr(ours, name), "transformers": getattr(theirs, name)}
        seconds = {side: [] for side in sides}
        rows = {side: function(examples) for side, function in sides.items()}
        for _ in range(flags.rounds):
            for side, function in sides.items():
                start = time.perf_counter()
                function(examples)
                seconds[side].append(time.perf_counter() - start)
        medians = {side: statistics.median(values) for side, values in seconds.items()}
        found[task] = {
            "examples": len(examples), "rows": rows,
            "rows_per_second": {side: rows[side] / medians[side] for side in sides},
            "ratio": medians["transformers"] / medians["tfglue"],
        }
        print(task, found[task], flush=True)
    write_json(flags.results, found)


class Ours:
    """Our features, as training makes them, without the cache."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def questions(self, examples) -> int:
        from tfglue.data.span_features import SpanWindowing, span_features

        return len(span_features(examples, self.tokenizer, SpanWindowing(LENGTH, STRIDE, 64, True)))

    def sentences(self, examples) -> int:
        from tfglue.data.tag_features import tag_features

        return len(tag_features(examples, self.tokenizer, 128))


class Theirs:
    """What the examples of `transformers` do: overflowing windows with offsets, word ids."""

    def __init__(self, vocab: str):
        from transformers import BertTokenizerFast

        self.tokenizer = BertTokenizerFast(vocab, do_lower_case=True)

    def questions(self, examples) -> int:
        encoded = self.tokenizer(
            examples.texts, [examples.context(row) for row in range(len(examples))],
            truncation="only_second", max_length=LENGTH, stride=STRIDE,
            return_overflowing_tokens=True, return_offsets_mapping=True,
        )
        starts, ends = [], []
        for row, offsets in enumerate(encoded["offset_mapping"]):
            golds = examples.answers[encoded["overflow_to_sample_mapping"][row]]
            sequence = encoded.sequence_ids(row)
            first = sequence.index(1)
            last = len(sequence) - 1 - sequence[::-1].index(1)
            if not golds or offsets[first][0] > golds[0][1] or (
                offsets[last][1] < golds[0][1] + len(golds[0][0])
            ):
                starts.append(0)
                ends.append(0)
                continue
            begin, end = golds[0][1], golds[0][1] + len(golds[0][0])
            while first <= last and offsets[first][0] <= begin:
                first += 1
            while offsets[last][1] >= end:
                last -= 1
            starts.append(first - 1)
            ends.append(last + 1)
        return len(starts)

    def sentences(self, examples) -> int:
        words = [examples.sentence(row) for row in range(len(examples))]
        encoded = self.tokenizer(
            words, is_split_into_words=True, truncation=True, max_length=128
        )
        labels = []
        for row in range(len(words)):
            tags = examples.tags[examples.row_splits[row] : examples.row_splits[row + 1]]
            previous, own = None, []
            for word in encoded.word_ids(row):
                own.append(-100 if word is None or word == previous else int(tags[word]))
                previous = word
            labels.append(own)
        return len(labels)


if __name__ == "__main__":
    main()
