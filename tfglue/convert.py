"""``python -m tfglue.convert``: an encoder or a run as a folder that `transformers` loads."""

from collections.abc import Sequence

from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.errors import UserError, suggestion

_NO_HEAD = "none"

_DESCRIPTION = """Any encoder, or a fine-tuned run, in Hugging Face layout: config.json,
model.safetensors, vocab.txt, tokenizer_config.json.

  python -m tfglue.convert --encoder path/to/uncased_L-12_H-768_A-12 --output bert
      for transformers.AutoModel, or --encoder here
  python -m tfglue.convert --run saved_models/rte --output rte_model
      for transformers.AutoModelForSequenceClassification (tags: TokenClassification, spans:
      QuestionAnswering; runs of tfglue.pretrain: MaskedLM, or ForPreTraining with pairs), with
      the run's labels
  python -m tfglue.convert --run saved_models/rte@2 --head none --output rte_encoder
      the encoder alone, here after epoch 2"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _convert(argv))


def _convert(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.convert", _DESCRIPTION)
    parser.add_argument("--encoder", help="as in training")
    parser.add_argument("--run", help="run folder, or RUN@epoch")
    parser.add_argument("--head", help="task whose head goes with a run's encoder, or none "
                        "[the run's only one]")
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--overwrite", action="store_true",
                        help="replace a folder that this command wrote")
    flags = parser.parse_args(argv)
    if bool(flags.encoder) == bool(flags.run):
        raise UserError("give either --encoder ENCODER or --run RUN")
    if flags.head and flags.encoder:
        raise UserError("--head goes with --run, not with --encoder")
    quiet_tensorflow()
    from tfglue.models.hugging_face_export import check_export_folder

    # Before a large encoder is read.
    check_export_folder(flags.output, flags.overwrite)
    if flags.encoder:
        _convert_encoder(flags.encoder, flags.output, flags.overwrite)
    else:
        _convert_run(flags.run, flags.head, flags.output, flags.overwrite)


def _convert_encoder(name: str, output: str, overwrite: bool) -> None:
    from tfglue.models.checkpoints import load_encoder
    from tfglue.models.hugging_face_export import export_encoder

    loaded = load_encoder(name)
    print(f"encoder: {loaded.source}; {loaded.report}")
    export_encoder(output, loaded.encoder, loaded.tokenizer(), overwrite)
    print(f"written: {output} (BertModel)")


def _convert_run(path: str, head: str | None, output: str, overwrite: bool) -> None:
    from tfglue.adapters.lora import Lora
    from tfglue.models.heads import LinearHead
    from tfglue.models.hugging_face_export import (
        export_encoder,
        export_language_model,
        export_with_head,
    )
    from tfglue.models.masked_head import MaskedHead
    from tfglue.run import Run

    opened = Run.open(path)
    if opened.model.adapters:
        mend = "convert a run without them"
        if isinstance(next(iter(opened.model.adapters.values())), Lora):
            task = head if head in opened.tasks else "TASK"
            mend = f"first python -m tfglue.parts merge --run {path} --task {task} --output NEW_RUN"
        raise UserError(
            f"{path}: its tasks have adapters, which the BERT of transformers has no place for; "
            f"{mend}"
        )
    head = _chosen_head(head, list(opened.tasks), path)
    if head == _NO_HEAD:
        export_encoder(output, opened.encoder, opened.tokenizer, overwrite)
        print(f"written: {output} (BertModel)")
        return
    if isinstance(opened.model.heads[head], MaskedHead):
        name = export_language_model(
            output, opened.encoder, opened.tokenizer, opened.model.heads[head], overwrite
        )
        print(f"written: {output} ({name})")
        return
    if not isinstance(opened.model.heads[head], LinearHead):
        raise UserError(
            f"{path}: the BERT of transformers has no head such as that of {head} "
            f"({opened.configs[head].head.partition(':')[0]}); convert the encoder alone with "
            f"--head {_NO_HEAD}"
        )
    name = export_with_head(
        output, opened.encoder, opened.tokenizer, opened.model.heads[head], opened.tasks[head],
        overwrite,
    )
    print(f"written: {output} ({name}, head of {head})")


def _chosen_head(name: str | None, tasks: Sequence[str], path: str) -> str:
    if name is None:
        if len(tasks) > 1:
            raise UserError(
                f"{path}: answers {', '.join(tasks)}; name one with --head, or {_NO_HEAD} for the "
                "encoder alone"
            )
        return tasks[0]
    if name not in (*tasks, _NO_HEAD):
        raise UserError(
            f"--head: {path} has no head '{name}'{suggestion(name, [*tasks, _NO_HEAD])} "
            f"(it has {', '.join(tasks)}; {_NO_HEAD} is the encoder alone)"
        )
    return name


if __name__ == "__main__":
    raise SystemExit(main())
