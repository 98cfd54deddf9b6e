"""Runs that were never trained, of any tasks, adapter and head, and examples for them."""

from pathlib import Path

import numpy as np

from tests.adapters.adapted_model import SMALL, small_encoder, stirred
from tfglue import tasks
from tfglue.config import TrainConfig
from tfglue.data.sources import open_source
from tfglue.data.tokenizer import BertTokenizer
from tfglue.run import Run, build_model
from tfglue.run_folder import RunFolder

TASKS = ("sst", "rte", "stsb", "squad2", "squad", "squad2_answerable", "ner")
"""Of every kind, of texts and pairs, with and without answers."""

TRACED = ("rte", "squad2", "ner")
"""Those that tests have as graphs. The others differ from them in what they make of the logits."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?!'-"
_WORDS = ("the", "was", "in", "who", "what", "film", "##ing", "##ed", "##er", "town")
TOKENIZER = BertTokenizer(
    ["[UNK]", "[PAD]", "[CLS]", "[SEP]", *_LETTERS, *(f"##{letter}" for letter in _LETTERS),
     *_WORDS],
    lower_case=True,
)
# So short that passages and some sentences need windows, and pairs are cut.
SETTINGS = dict(max_length=24, doc_stride=8, max_query_length=10, max_answer_length=6)


def small_run(
    names: str, adapter: str = "none", head: str = "linear", calibration: float = 0.0, **settings
) -> Run:
    """A run of two layers whose weights are at random, large enough to tell answers apart.

    Args:
        names: tasks, a,b.
        adapter: its name; the settings are small ones.
        head: as in training.
        calibration: the threshold of tasks that tune one.
    """
    declared = {name: open_source(tasks.get(name), "sample").task for name in names.split(",")}
    encoder = small_encoder(vocabulary_size=len(TOKENIZER.vocabulary))
    model = build_model(declared, encoder, SMALL.get(adapter, adapter), head)
    for number, part in enumerate(model.heads.values()):
        random = np.random.default_rng(number)
        for weight in part.named_weights().values():
            weight.assign(random.normal(0, 3, weight.shape) * (len(weight.shape) > 1))
    for part in model.adapters.values():
        stirred(part)
    config = TrainConfig(task=names, **SETTINGS | settings)
    thresholds = {"null_score_diff_threshold": calibration}
    return Run(
        RunFolder(Path("nowhere")), declared, TOKENIZER, model, dict.fromkeys(declared, config),
        {name: thresholds for name, task in declared.items()
         if task.kind in ("span", "answerable")},
    )


def dev_examples(name: str, count: int = 100):
    """The first examples of the built-in dev split."""
    read = open_source(tasks.get(name), "sample").read("dev")
    return read.take(np.arange(min(count, len(read))))
