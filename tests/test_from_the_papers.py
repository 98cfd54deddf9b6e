"""docs/from_the_papers.md is true: its commands parse, and nothing of theirs is left out."""

import importlib
import re
import shlex
from pathlib import Path
from unittest.mock import patch

import pytest

from tfglue import tasks
from tfglue.command_line import Parser
from tfglue.config import AUTO, TrainConfig
from tfglue.errors import UserError
from tfglue.flags import given
from tfglue.models.bert_all_dir import GOOGLE_FOLDERS
from tfglue.predict import _FORMATS
from tfglue.resolution import resolve
from tfglue.submit import _MAJORITY
from tfglue.tasks.language_model import language_model_task
from tfglue.training_recipe import read_recipe

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "from_the_papers.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")

# What the STILTs code has: scripts, flags and variables of glue/train.py, and its modes.
SCRIPTS = (
    "glue/train.py", "glue/format_for_glue.py", "glue/evaluate.py", "glue/train_multitask.py",
    "glue_lm/train.py", "language_modeling/train.py", "glue/masked_runners.py",
    "glue/adv_masker.py", "use_adapter",
)
FLAGS = (
    "--task_name", "--bert_model", "--output_dir", "--data_dir", "--bert_load_path",
    "--bert_load_mode", "--bert_load_args", "--bert_config_json_path", "--bert_vocab_path",
    "--bert_save_mode", "--max_seq_length", "--do_train", "--do_val", "--do_test", "--do_save",
    "--do_val_history", "--train_examples_number", "--train_save_every", "--do_lower_case",
    "--train_batch_size", "--eval_batch_size", "--learning_rate", "--num_train_epochs",
    "--warmup_proportion", "--no_cuda", "--local_rank", "--seed", "--gradient_accumulation_steps",
    "--fp16", "--loss_scale", "--print-trainable-params", "--not-verbose", "--force-overwrite",
    "GLUE_DIR", "BERT_ALL_DIR",
)
LOAD_MODES = (
    "from_pretrained", "model_only", "state_model_only", "state_all", "full_model_only",
    "state_full_model", "state_adapter",
)
SAVE_MODES = ("all", "model_all", "tunable", "model_tunable")
FILES = (
    "args.json", "all_state.p", "val_metrics_history.json", "val_preds.csv", "val_metrics.json",
    "mm_val_preds.csv", "test_preds.csv", "mm_test_preds.csv",
)


# What the transferability code has: its nine scripts and their flags.
TRANSFER_SCRIPTS = (
    *(f"run_{what}_{which}.py" for what in ("finetuning", "textemb", "taskemb")
      for which in ("CR", "QA", "SL")),
)
TRANSFER_FLAGS = (
    "--data_dir", "--train_file", "--predict_file", "--model_type", "--model_name_or_path",
    "--config_name", "--tokenizer_name", "--cache_dir", "--task_name", "--output_dir",
    "--overwrite_output_dir", "--overwrite_cache", "--model_load_mode", "--max_seq_length",
    "--do_train", "--do_eval", "--evaluate_during_training", "--logging_steps", "--do_predict",
    "--do_lower_case", "--finetune_feature_extractor False", "--per_gpu_train_batch_size",
    "--per_gpu_eval_batch_size", "--gradient_accumulation_steps", "--learning_rate",
    "--weight_decay", "--adam_epsilon", "--max_grad_norm", "--num_train_epochs", "--max_steps",
    "--warmup_steps", "--train_data_subset", "--eval_data_subset", "--data_subset", "--save",
    "--eval_all_checkpoints", "--seed", "--no_cuda", "--local_rank", "--server_ip",
    "--server_port", "--fp16", "--fp16_opt_level", "--labels", "--version_2_with_negative",
    "--null_score_diff_threshold", "--doc_stride", "--max_query_length", "--n_best_size",
    "--max_answer_length", "--verbose_logging", "--batch_size", "--num_epochs", "--use_labels True",
    "--use_labels False", "--num_trials_for_FIM", "--FIM_scale", "--finetune_classifier",
    "--finetune_feature_extractor", "--feature_type grads", "--retain_gradients", "--do_pooling",
    "--pow", "--num_softmax_classifiers",
)

# What the PALs code has.
PALS_SCRIPTS = (
    "run_multi_task.py", "convert_tf_checkpoint_to_pytorch.py", "extract_features.py",
    "best_model.pth", "eval_results.txt",
)
PALS_FLAGS = (
    "--data_dir", "--bert_config_file", "--vocab_file", "--output_dir", "--init_checkpoint",
    "--do_lower_case", "--max_seq_length", "--multi", "--do_train", "--do_eval", "--optim",
    "--sample", "--train_batch_size", "--eval_batch_size", "--h_aug", "--tasks", "--task_id",
    "--learning_rate", "--num_train_epochs", "--warmup_proportion", "--save_checkpoints_steps",
    "--freeze", "--no_cuda", "--local_rank", "--seed", "--gradient_accumulation_steps",
)

# What BERTVision has: modules, classes, and flags of both generations.
VISION_SCRIPTS = (
    "generate_squad_features.py", "gen_embeds/<task>_embeds.py", "models.bert_glue",
    "models.bert_squad", "models.ap_glue", "models.ap_squad", "models.hypersearch",
    "models.ap_hypersearch", "models.parasite", "models.pfreezing", "models.pfreezing_parasite",
    "BERTImageGenerator", "BinaryClassificationModels", "QnAModels", "SquadDevAnswers",
    "SquadModelEvaluation", "AP_GLUE", "AP_SQuAD",
)
VISION_FLAGS = (
    "--epochs", "--l2", "--seed", "--patience", "--model", "--checkpoint", "--num-labels",
    "--save-path", "--log-path", "--warmup-proportion", "--batch-size", "--lr", "--num-workers",
    "--max-seq-length", "--adapter-dim", "--lr-low", "--lr-high", "--shard", "--error", "--name",
    "--embed-batch-size", "-tok", "-sfp", "-h5p", "-sl", "-ql", "-ds", "-t", "-nv",
)


# What MT-DNN has: scripts, and the flags of train.py in its three generations.
MTDNN_SCRIPTS = (
    "download.sh", "prepro.py", "prepro_std.py", "prepro_gen_std.py",
    "experiments/glue/glue_prepro.py", "predict.py", "calc_metrics.py",
    "prepare_distillation_data.py", "extractor.py", "scripts/strip_model.py",
    "scripts/convert_tf_to_pt.py",
)
MTDNN_FLAGS = (
    "--data_dir", "--train_datasets", "--test_datasets", "--task_def", "--init_checkpoint",
    "--log_file", "--tensorboard", "--tensorboard_logdir", "--glue_format_on", "--mkd_opt",
    "--do_padding", "--dataloader_num_workers", "--pw_tasks", "--task_config_path",
    "--answer_opt", "--answer_num_turn", "--answer_mem_drop_p", "--answer_mem_type",
    "--answer_att_type", "--answer_rnn_type", "--answer_merge_opt", "--answer_dropout_p",
    "--answer_weight_norm_on", "--mem_cum_type", "--answer_att_hidden_size",
    "--answer_sum_att_type", "--dump_state_on", "--pooler_actf", "--mtl_opt", "--ratio",
    "--mix_opt", "--max_seq_len", "--init_ratio", "--encoder_type", "--num_hidden_layers",
    "--update_bert_opt", "--max_answer_len", "--masked_lm_prob", "--short_seq_prob",
    "--max_predictions_per_seq", "--bin_on", "--bin_size", "--bin_grow_ratio", "--local_rank",
    "--world_size", "--master_addr", "--master_port", "--backend", "--multi_gpu_on", "--epochs",
    "--batch_size", "--batch_size_eval", "--optimizer", "--learning_rate", "--warmup",
    "--warmup_schedule", "--scheduler_type", "--weight_decay", "--grad_clipping",
    "--global_grad_clipping", "--dropout_p", "--dropout_w", "--vb_dropout", "--adam_eps",
    "--log_per_updates", "--save_per_updates", "--save_per_updates_on", "--seed",
    "--grad_accumulation_step", "--fp16", "--fp16_opt_level", "--resume", "--model_ckpt",
    "--cuda", "--output_dir", "--ema_opt", "--ema_gamma", "--freeze_layers", "--embedding_opt",
    "--multi_step_lr", "--lr_gamma", "--adv_train", "--adv_opt", "--adv_norm_level",
    "--adv_p_norm", "--adv_alpha", "--adv_k", "--adv_step_size", "--adv_noise_var",
    "--adv_epsilon",
)


class _Parsed(BaseException):
    """Stops a command once its flags are parsed."""


def parsed(module: str, words: list[str]):
    """The namespace that a command's own parser makes of the words; the command goes no further."""
    parse_args = Parser.parse_args

    def stop(self, args=None, namespace=None):
        try:
            raise _Parsed(parse_args(self, args, namespace))
        except UserError as error:
            # The command would print it and return 2.
            raise _Parsed(error) from None

    with patch.object(Parser, "parse_args", stop), pytest.raises(_Parsed) as stopped:
        importlib.import_module(module).main(words)
    (result,) = stopped.value.args
    if isinstance(result, UserError):
        raise result
    return result


def check(module: str, words: list[str]) -> None:
    """Raises UserError for a command line that is wrong before any file is read."""
    flags = parsed(module, words)
    named = vars(flags)
    if module == "tfglue.train":
        _check_training(given(flags, TrainConfig))
        return
    if module == "tfglue.pretrain":
        resolve(given(flags, TrainConfig), language_model_task(named.get("next_sentence", False)))
        return
    if named.get("task"):
        tasks.expand(named["task"])
    for split in (named.get("split") or "").split(","):
        if split and not any(split in tasks.get(name).files for name in tasks.names()):
            raise UserError(f"no task has the split '{split}'")
    for name, choices in (("format", _FORMATS), ("wnli", (_MAJORITY,))):
        if named.get(name) is not None and named[name] not in choices:
            raise UserError(f"--{name}: unknown value '{named[name]}'")


def _check_training(settings: dict) -> None:
    if settings.get("recipe"):
        read_recipe(settings["recipe"])
    if settings.get("init") and settings.get("encoder"):
        raise UserError("--init and --encoder exclude each other")
    for name in filter(None, settings.get("intermediate", "").split(",")):
        if name != AUTO:
            tasks.get(name)
    if "train_file" not in settings and "task" in settings:
        tasks.expand(settings["task"])
    of_kind = {kind: tasks.get(name) for name, kind in
               (("rte", "classify"), ("squad2", "span"), ("ner", "tag"), ("qnli_rank", "rank"))}
    if "train_file" in settings:
        resolve(settings, of_kind[settings.get("kind", "classify")])
    elif "task" in settings:
        resolve(settings, *tasks.expand(settings["task"]))
    else:
        single = [(task,) for task in of_kind.values()]
        _resolve_for_any(settings, [*single, tasks.expand("rte,squad2")])


def _resolve_for_any(settings: dict, declared) -> None:
    """A flag that is spoken of without a task belongs to some kind of task, or to several."""
    problems = []
    for together in declared:
        try:
            resolve(settings, *together)
            return
        except UserError as error:
            problems.append(error)
    raise problems[0]


def commands(text: str) -> list[str]:
    """Every ``python -m tfglue.<command> ...``, of blocks and of inline code, on one line each."""
    lines = re.sub(r"\\\n\s*", "", text)
    return re.findall(r"python -m ((?:tfglue|data_prep|tuning)\.[^`\n|&;>#]+)", lines)


def code(text: str) -> list[str]:
    """Inline code that speaks of our flags: all of it but the first cell of tables, and blocks."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    prose = re.sub(r"^\| [^|]* \|", "|", prose, flags=re.MULTILINE)
    return [fragment for fragment in re.findall(r"`([^`]+)`", prose) if fragment.startswith("--")]


def theirs(text: str) -> set[str]:
    """Inline code in the first cells of tables: what the page has an answer for."""
    cells = re.findall(r"^\| ([^|]*) \|", text, flags=re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def split(command: str) -> tuple[str, list[str]]:
    module, *words = shlex.split(command)
    return module, words


@pytest.mark.parametrize("command", sorted({*commands(PAGE), *commands(README)}))
def test_every_command_parses(command):
    module, words = split(command)
    if words:
        check(module, words)
    else:
        # Spoken of, not shown.
        assert importlib.import_module(module).main


# What a command asks for beside the flag that is spoken of.
REQUIRED = {
    "tfglue.train": "",
    "tfglue.pretrain": "",
    "tfglue.evaluate": "--run RUN",
    "tfglue.predict": "--run RUN",
    "tfglue.submit": "",
    "tfglue.compare": "RUN",
    "tfglue.convert": "--output FOLDER",
    "tfglue.embed": "--method task --run RUN",
}


@pytest.mark.parametrize("fragment", sorted(set(code(PAGE))))
def test_every_flag_in_the_text_belongs_to_a_command(fragment):
    accepted = []
    for module, required in REQUIRED.items():
        try:
            check(module, shlex.split(f"{required} {fragment}"))
            accepted.append(module)
        except UserError as error:
            # A flag may be spoken of without its value.
            if " " not in fragment and "one argument" in str(error):
                accepted.append(module)
    assert accepted


@pytest.mark.parametrize("fragment", ["--evry", "--save second", "--schedule none", "--fp16"])
def test_a_flag_that_is_spoken_of_wrongly_would_be_found(fragment):
    with pytest.raises(AssertionError):
        test_every_flag_in_the_text_belongs_to_a_command(fragment)


@pytest.mark.parametrize(
    "command",
    [
        "tfglue.train --task rte --seed 1 --epoch 3",
        "tfglue.train --task rte --seeds few",
        "tfglue.train --task rte --schedule legacy",
        "tfglue.train --task rtee",
        "tfglue.train --task rte --intermediate mnlli",
        "tfglue.train --task rte --recipe stilt",
        "tfglue.train --task rte --init RUN --encoder bert-large-uncased",
        "tfglue.train --task rte --save second",
        "tfglue.train rte",
        "tfglue.evaluate --data GLUE",
        "tfglue.predict --run RUN --split tests",
        "tfglue.predict --run RUN --input - --format xml",
        "tfglue.predict --run RUN --task axx --split test",
        "tfglue.submit --runs RUN --output mine --wnli best",
        "tfglue.compare --output mine",
        "tfglue.convert --run RUN",
        "data_prep.download --tasks sst --output mine",
    ],
)
def test_a_wrong_command_would_be_found(command):
    with pytest.raises(UserError):
        check(*split(command))


def test_commands_are_found_wherever_they_stand():
    text = "a && python -m tfglue.train --task \\\n    rte\n`x \\| python -m tfglue.doctor`"
    assert commands(text) == ["tfglue.train --task rte", "tfglue.doctor"]
    assert len(commands(PAGE)) > 15 and len(commands(README)) > 20


def test_all_of_theirs_is_answered():
    answered = theirs(PAGE)
    lists = (SCRIPTS, FLAGS, LOAD_MODES, SAVE_MODES, FILES, TRANSFER_SCRIPTS, TRANSFER_FLAGS,
             PALS_SCRIPTS, PALS_FLAGS, VISION_SCRIPTS, VISION_FLAGS, MTDNN_SCRIPTS, MTDNN_FLAGS)
    for names in lists:
        assert set(names) <= answered


def test_no_answer_is_empty():
    rows = [row for row in PAGE.splitlines() if row.startswith("| ")]
    assert len(rows) > 50
    assert all(len(row.strip("|").split(" | ")) == 2 and row.split(" | ")[1].strip(" |")
               for row in rows)


def test_encoders_that_are_named_are_known():
    text = " ".join([*commands(PAGE), *commands(README), *code(PAGE)])
    names = set(re.findall(r"--encoder ([^-\s]\S*)", text))
    by_name = {name for name in names if "/" not in name and not name.isupper()}
    by_name -= set(GOOGLE_FOLDERS) | set(GOOGLE_FOLDERS.values())
    from tfglue.models.keras_hub_preset import preset_names

    assert by_name and by_name <= set(preset_names())


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", PAGE) if "://" not in link]
    assert links
    assert all((ROOT / "docs" / link).is_file() for link in links)
    assert "(docs/from_the_papers.md)" in README
