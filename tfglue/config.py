"""Settings of a training run: flags, recipes and `run.yaml` in one dataclass."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from tfglue.flags import setting


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of one run; what is unset (None) is filled by `tfglue.resolution`."""

    task: str = setting(
        "", "task, or several that are trained together: a,b (or glue8, glue9, inf); see the README"
    )
    data: str | None = setting(
        None,
        "sample, tfds, a folder, or task=FOLDER,... [$GLUE_DIR for GLUE tasks, else sample]; "
        "beside --train_file that of the tasks of --intermediate",
    )
    train_file: str | None = setting(
        None, "your own file to train on: .tsv, .csv, .jsonl, SQuAD's .json, or word columns"
    )
    dev_file: str | None = setting(None, "your own file to evaluate on")
    test_file: str | None = setting(None, "your own file, for predict --split test")
    text_fields: str | None = setting(None, "one or two text columns of your files, a,b")
    label_field: str | None = setting(None, "label column of your files [label]")
    kind: str | None = setting(
        None,
        "what your labels are; inferred if not given",
        choices=("classify", "regress", "rank", "span", "answerable", "tag"),
    )
    labels: str | None = setting(None, "file with one tag a line, in the order of their ids")
    encoder: str = setting(
        "tiny",
        "tiny, a folder (Hugging Face, KerasHub, Google TF1, or a configuration only), a file of "
        "weights, hf://org/model, a KerasHub preset, a name under $BERT_ALL_DIR",
    )
    init: str | None = setting(
        None,
        "begin with the weights of a finished run, RUN, RUN@<epoch> or RUN@<task>, not with "
        "--encoder",
    )
    init_parts: str = setting(
        "encoder",
        "what of that run: its encoder, with the adapters of the same tasks, or all of it (their "
        "heads, too)",
        choices=("encoder", "encoder+adapters", "all"),
    )
    intermediate: str | None = setting(
        None,
        "tasks to train first, in order: mnli, or mnli,snli; reused where trained already; or "
        "auto, the one that --library recommends. "
        "--epochs, --max_steps, --learning_rate, --train_examples, --train_fraction, "
        "--evaluate_every, --patience, --save, --head, --adapter, --keep_layers, --teachers, "
        "--smart, --mlm_weight and --seeds speak of the target alone",
    )
    intermediate_recipe: str | None = setting(
        None, "settings of the intermediate tasks: a recipe's name or a YAML file"
    )
    library: str | None = setting(
        None, "with --intermediate auto: folder of embeddings of the tasks to choose from, see "
        "tfglue.embed"
    )
    center: bool = setting(
        False, "with --intermediate auto: compare embeddings less their mean", kind=bool
    )
    seeds: int | None = setting(
        None, "train so many times, with seeds --seed, --seed + 1, ...", kind=int, least=2
    )
    lower_case: str = setting(
        "auto", "whether text is lower-cased", choices=("auto", "true", "false")
    )
    adapter: str = setting(
        "none",
        "what each task adds to the encoder: none, pal, low_rank, houlsby, houlsby_pal, "
        "bottleneck, parallel, lhuc, top_attention, top_layer, lora; name:key=value,...; or a "
        "published JSON file",
    )
    head: str = setting(
        "linear",
        "what answers: linear; adapter_pooler or convolution, which read all layers; san, turns of "
        "reasoning over a pair; name:key=value,...; may differ by task, in a recipe",
    )
    activations: str | None = setting(
        None,
        "store made by data_prep.activations, read in the encoder's place; it is the one of --init "
        "[the store's run], and frozen",
    )
    skip_damaged: bool = setting(
        False, "with --activations: train without the rows of damaged shards", kind=bool
    )
    freeze: str = setting(
        "none",
        "none, embeddings, embeddings:word (or position, segment; joined by +), layers:N, "
        "encoder_except_norms, encoder",
    )
    keep_layers: str | None = setting(
        None,
        "make the encoder smaller before training: bottom:N, its first N layers, or alternate:N, N "
        "of them evenly spread, the last one among them [all]",
    )
    teachers: str | None = setting(
        None,
        "finished runs whose answers to the training rows are learned beside the labels, their "
        "probabilities averaged; of one task also a table that predict --split train wrote",
        several=True,
    )
    distill_weight: float | None = setting(
        None, "with --teachers: what the term of their answers is multiplied by [1]", kind=float,
        least=0,
    )
    temperature: float | None = setting(
        None, "with --teachers: what logits are divided by in that term [1]", kind=float, above=0
    )
    match_hidden: float | None = setting(
        None,
        "with --teachers: weight of the distance between hidden states of [CLS] and those of the "
        "first teacher [none]",
        kind=float, least=0,
    )
    smart: str | None = setting(
        None,
        "adversarial smoothing of classes, rankings and scores: inf or l2, the norm of the ball; "
        "inf:key=value,... [none]",
    )
    word_dropout: float | None = setting(
        None, "share of the tokens that training sees as [UNK] [0]", kind=float, least=0, most=0.99
    )
    text: str | None = setting(
        None, "of tfglue.pretrain: text files, a sentence a line, blank lines between documents",
        several=True,
    )
    dev_fraction: float = setting(
        0.05, "of tfglue.pretrain: share of the text that is held out and scored; 0 for none",
        kind=float, least=0, most=0.5,
    )
    next_sentence: bool = setting(
        False, "of tfglue.pretrain: rows are pairs of segments, and whether the second follows the "
        "first is learned, too", kind=bool,
    )
    mlm_weight: float | None = setting(
        None, "weight of the masked-language-model loss on a task's own training rows, learned "
        "beside the task in a pass of its own [0]", kind=float, least=0,
    )
    mask_rate: float | None = setting(
        None, "share of the tokens that a language model has to find again [0.15]", kind=float,
        above=0, most=0.9,
    )
    whole_words: bool = setting(
        False, "where tokens are masked: all pieces of a word, or none", kind=bool
    )
    dropout: float | None = setting(
        None, "overrides every dropout rate of encoder and head", kind=float, least=0, most=0.99
    )
    head_dropout: float | None = setting(
        None, "overrides the dropout rate of the head; may differ by task, in a recipe",
        kind=float, least=0, most=0.99,
    )
    recipe: str | None = setting(None, "published settings by name, or a YAML file")
    max_length: int | None = setting(None, "tokens a row at most", kind=int, least=8)
    doc_stride: int = setting(
        128, "tokens from one window of a passage to the next", kind=int, least=1
    )
    max_query_length: int = setting(64, "tokens of a question at most", kind=int, least=1)
    n_best_size: int = setting(20, "best starts and ends of an answer looked at", kind=int, least=1)
    max_answer_length: int = setting(30, "tokens of an answer at most", kind=int, least=1)
    negatives: str = setting(
        "auto",
        "whether questions may have no answer; auto: as the task says",
        choices=("auto", "true", "false"),
    )
    null_score_diff_threshold: str = setting(
        "tuned",
        "how far having no answer must beat the best answer: a number, or tuned on a tenth of all "
        "training questions, set aside before --train_examples",
    )
    qnli_version: str = setting(
        "2",
        "of qnli_rank: 1 ranks two lines of a question that follow each other, as version 1 of "
        "QNLI has them, 2 all lines of a question",
        choices=("1", "2"),
    )
    balance: bool = setting(
        False, "draw rows of every class (with and without answer) equally often", kind=bool
    )
    sampler: str = setting(
        "shuffle",
        "whose batch comes next, of several tasks: shuffle (all batches once an epoch), "
        "round_robin, proportional, sqrt, temperature:t, annealed, uniform",
    )
    main_task: str | None = setting(
        None, "the one of several tasks that --mix_ratio and --main_task_last speak of [the first]"
    )
    mix_ratio: float | None = setting(
        None, "batches of the other tasks in an epoch, of several: so many times those of the main "
        "task, drawn anew in every epoch [all of them]",
        kind=float, above=0,
    )
    main_task_last: bool = setting(
        False, "an epoch ends with all batches of the main task, of several", kind=bool
    )
    steps_per_epoch: int | None = setting(
        None, "updates of an epoch, of several tasks [all rows once]", kind=int, least=1
    )
    steps_per_task: int | None = setting(
        None, "the same, times the number of tasks: 300 of eight tasks make epochs of 2400",
        kind=int, least=1,
    )
    task_cap: int | None = setting(
        None, "rows that a task counts for at most, of several", kind=int, least=1
    )
    task_weights: str | None = setting(
        None, "what losses are multiplied by, of several tasks: a=2,b=0.5 [1]"
    )
    best_on: str | None = setting(
        None, "tasks whose main metrics pick the best evaluation, a,b [all]"
    )
    batch_size: int | None = setting(
        None, "rows of one forward pass, over all devices", kind=int, least=1
    )
    batch_tokens: int | None = setting(
        None,
        "tokens of one forward pass at most, padding included, instead of --batch_size; every row "
        "counts alike",
        kind=int, least=1,
    )
    accumulate: int | None = setting(
        1, "forward passes of one update, so that an update sees batch_size times this", kind=int,
        least=1,
    )
    learning_rate: float | None = setting(
        None, "peak learning rate [the task's; 1e-3 of a head on a frozen encoder]", kind=float,
        above=0, most=100,
    )
    epochs: float | None = setting(None, "passes over the data; may be a fraction", kind=float,
                                   above=0)
    max_steps: int | None = setting(
        None, "updates at most; 0 prints the budget and leaves an untrained run", kind=int, least=0
    )
    warmup: float | None = setting(
        0.1, "warm-up: under 1 a share of all updates, else a number of them", kind=float, least=0
    )
    schedule: str | None = setting(
        "linear",
        "learning rate after warm-up; legacy_stilts is that of the STILTs code, with its defect",
        choices=("linear", "constant", "legacy_stilts"),
    )
    optimizer: str | None = setting(
        "adamw", "how weights are updated",
        choices=("adamw", "adam_uncorrected", "adamax", "adamax_uncorrected", "radam", "sgd"),
    )
    average_weights: float | None = setting(
        None, "score and keep a moving average of the weights, of which each update leaves this "
        "share, such as 0.995 [none]",
        kind=float, above=0, most=0.99999,
    )
    weight_decay: float | None = setting(
        0.01, "decoupled decay; never on biases and LayerNorm", kind=float, least=0
    )
    epsilon: float | None = setting(1e-6, "Adam's epsilon", kind=float, above=0)
    clip_norm: float | None = setting(
        1.0, "limit of the gradient's global norm; 0 for none", kind=float, least=0
    )
    precision: str = setting(
        "float32", "what training computes in", choices=("float32", "mixed_bfloat16")
    )
    strategy: str = setting(
        "none",
        "devices that share each batch: none (one device), mirrored (all of this machine), "
        "multi_worker (those of $TF_CONFIG), tpu (untested)",
        choices=("none", "mirrored", "multi_worker", "tpu"),
    )
    batching: str = setting(
        "grouped", "rows of like length together, or at random", choices=("grouped", "plain")
    )
    train_examples: int | None = setting(
        None, "train on so many rows (stratified, nested)", kind=int, least=1
    )
    train_fraction: float | None = setting(
        None, "train on this share of the rows", kind=float, above=0, most=1
    )
    dev_examples: int | None = setting(
        None, "score on so many rows of every dev split (stratified, the same for every run) [all]",
        kind=int, least=1,
    )
    tune_split: float | None = setting(
        None, "hold this share of the training rows out and score on it, not on any dev split, "
        "which is left to be reported once (see tuning.search) [none]",
        kind=float, above=0, most=0.5,
    )
    evaluate_every: str | None = setting(
        None,
        "epoch, a share of an epoch under 1, or a number of updates [epoch; 0.1 where --epochs is "
        "under 1]",
    )
    patience: int | None = setting(
        None, "stop after so many evaluations without improvement", kind=int, least=1
    )
    eval_batch_size: int = setting(64, "rows of one forward pass in evaluation", kind=int, least=1)
    save: str = setting(
        "best",
        "weights to keep: best, last, all, epochs such as 0,2, or best_by_task: of several tasks "
        "also each one's own best, RUN@<task>",
    )
    checkpoint_seconds: float = setting(
        300.0, "seconds between checkpoints to resume from; may change on --resume", kind=float,
        above=0,
    )
    seed: int = setting(0, "seed of the head, the order of rows and dropout", kind=int, least=0,
                        most=2**32 - 1)
    output: str | None = setting(None, "run folder [saved_models/<task>, then -2, -3 if taken]")
    resume: bool = setting(False, "go on with the run in --output", kind=bool)
    overwrite: bool = setting(False, "replace the run in --output", kind=bool)

    def to_dict(self) -> dict[str, Any]:
        """What `run.yaml` stores: everything but where and how the command was started."""
        return {k: v for k, v in asdict(self).items() if k not in NOT_STORED}

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Settings that `run.yaml` stores; those of other versions are left out."""
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


_OF_QUESTIONS = ("doc_stride", "max_query_length", "negatives", "balance")
OF_DISTILLATION = ("distill_weight", "temperature", "match_hidden")
"""Settings that go with `--teachers`."""

OF_MASKING = ("mask_rate", "whole_words")
"""Settings that go with `--mlm_weight`, or with a language model itself."""

OF_TEXT = ("text", "dev_fraction", "next_sentence")
"""Settings of `tfglue.pretrain` alone."""

MASK_RATE = 0.15
"""Share of the tokens that are masked where nothing is said of it."""

_OF_ROWS = ("teachers", *OF_DISTILLATION, "smart", "mlm_weight")
_OF_KINDS = {
    "classify": ("balance", *_OF_ROWS),
    "regress": _OF_ROWS,
    "span": (
        *_OF_QUESTIONS, "n_best_size", "max_answer_length", "null_score_diff_threshold",
        "mlm_weight",
    ),
    "answerable": (*_OF_QUESTIONS, "null_score_diff_threshold", "smart", "mlm_weight"),
    "tag": ("labels", "mlm_weight"),
    "rank": ("qnli_version", "smart", "mlm_weight"),
    "masked": OF_TEXT,
}

PAIRED_LINES = "qnli_rank"
"""The task that `--qnli_version` speaks of."""

OF_EACH_TASK = ("max_length", "batch_size", "head_dropout", "head")
"""Settings that tasks which are trained together may have each for itself."""

BEST_BY_TASK = "best_by_task"
"""The value of ``--save`` that keeps weights for each of several tasks."""

OF_SEVERAL_TASKS = (
    "sampler", "main_task", "mix_ratio", "main_task_last", "steps_per_epoch", "steps_per_task",
    "task_cap", "task_weights", "best_on",
)

# What makes a run part of a chain or a series is with those, in `experiment.yaml`.
AUTO = "auto"
"""The value of ``--intermediate`` that leaves the choice to a library of embeddings."""

LIBRARY_SETTINGS = ("library", "center")
"""Settings of the choice of an intermediate task."""

OF_EXPERIMENTS = ("intermediate", "intermediate_recipe", *LIBRARY_SETTINGS, "seeds")
OF_ONE_COMMAND = ("output", "resume", "overwrite")
NOT_STORED = (*OF_ONE_COMMAND, *OF_EXPERIMENTS)


def settings_of_other_kinds(kind: str) -> frozenset[str]:
    """Names of the settings that say nothing of tasks of this kind."""
    all_of_kinds = {name for names in _OF_KINDS.values() for name in names}
    return frozenset(all_of_kinds - set(_OF_KINDS.get(kind, ())))


def trainer_of(settings: Mapping[str, Any]) -> str:
    """The command that makes and resumes runs of these settings."""
    return "tfglue.pretrain" if settings.get("text") else "tfglue.train"
