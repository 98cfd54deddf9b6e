"""``python -m tfglue.parts``: tasks of a run listed, added, removed, shipped and merged."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.config import TrainConfig
from tfglue.errors import UserError, suggestion
from tfglue.flags import add_flags, given
from tfglue.part_table import part_table
from tfglue.run_folder import RunFolder
from tfglue.task_part import TaskPart

if TYPE_CHECKING:
    from tfglue.run_parts import RunParts

_DESCRIPTION = """A task's adapter and head are a part of a run: a few percent of it, which can be
added to other tasks on the same encoder, removed, shipped as one file, and, of LoRA, merged.

  python -m tfglue.parts list --run RUN
  python -m tfglue.parts add --run RUN --task wnli --data GLUE [flags of tfglue.train]
      trains a further task beside the frozen encoder; all other tasks stay as they are
  python -m tfglue.parts add --run RUN --from OTHER_RUN
      adds a task that was trained so already
  python -m tfglue.parts remove --run RUN --task wnli
  python -m tfglue.parts export --run RUN --task wnli --output wnli.safetensors
  python -m tfglue.parts import --run RUN --file wnli.safetensors
      for a run with the very same encoder, by digest
  python -m tfglue.parts merge --run RUN --task wnli --output NEW_RUN
      a LoRA adapter becomes part of the encoder, for tfglue.convert

`python -m tfglue.parts ACTION --help` has the flags of each."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _parts(list(sys.argv[1:] if argv is None else argv)))


def _parts(words: list[str]) -> None:
    if not words or words[0].startswith("-"):
        parser = Parser("python -m tfglue.parts", _DESCRIPTION)
        parser.add_argument("action", metavar="ACTION", help=", ".join(_ACTIONS))
        parser.parse_args(words)
    name, *rest = words
    if name not in _ACTIONS:
        raise UserError(
            f"unknown action '{name}'{suggestion(name, _ACTIONS)} (known: {', '.join(_ACTIONS)})"
        )
    action = _ACTIONS[name]
    parser = Parser(f"python -m tfglue.parts {name}", action.__doc__)
    parser.add_argument("--run", required=True, help="run folder")
    action(parser, rest)


def _list(parser: Parser, words: Sequence[str]) -> None:
    """Every task of a run: kind, parameters of adapter and head, main score on dev."""
    print("\n".join(part_table(_folder(parser.parse_args(words).run))))


def _add(parser: Parser, words: Sequence[str]) -> None:
    """Trains a further task beside a run's frozen encoder, or takes it from another run."""
    parser.add_argument("--from", dest="source", metavar="RUN",
                        help="run that trained the task beside the same encoder")
    _add_as(parser)
    add_flags(parser, TrainConfig)
    flags = parser.parse_args(words)
    settings, folder = given(flags, TrainConfig), _folder(flags.run)
    if flags.source is None:
        if flags.new_name is not None:
            raise UserError("--as goes with --from; a task that is trained here is named by --task")
        quiet_tensorflow()
        from tfglue.added_task import train_task

        train_task(folder, settings, print)
        return
    other = sorted(set(settings) - {"task"})
    if other:
        raise UserError(f"--{other[0]} is a flag of training; with --from nothing is trained")
    quiet_tensorflow()
    from tfglue.added_task import add_trained

    part = add_trained(folder, _folder(flags.source, "--from"), settings.get("task"),
                       flags.new_name)
    print(f"added: {part.task.name} to {flags.run}, from {flags.source}")


def _remove(parser: Parser, words: Sequence[str]) -> None:
    """Deletes a task's adapter, head, scores and predictions from a run."""
    parser.add_argument("--task", required=True, help="task to remove, not the last one")
    flags = parser.parse_args(words)
    parts = _opened(flags.run)
    parts.remove(flags.task)
    print(f"removed: {flags.task} from {flags.run} (left: {', '.join(parts.manifest['tasks'])})")


def _export(parser: Parser, words: Sequence[str]) -> None:
    """Writes a task's adapter, head and settings to one file."""
    parser.add_argument("--task", help="task [the run's only one]")
    parser.add_argument("--output", required=True, help="file to write, such as rte.safetensors")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    flags = parser.parse_args(words)
    from tfglue.answering import new_file

    path = new_file(flags.output, flags.overwrite)
    folder = _folder(flags.run)
    part = TaskPart.of_run(folder, flags.task)
    part.write(path)
    size = path.stat().st_size
    whole = sum(file.stat().st_size for file in folder.weight_files())
    print(
        f"written: {path} ({part.task.name}), {size / 1e6:.2f} MB, {size / whole:.2%} of the run's "
        f"{whole / 1e6:.2f} MB; belongs to encoder {part.encoder['digest'][:12]}"
    )


def _import(parser: Parser, words: Sequence[str]) -> None:
    """Adds a task from a file of `export` to a run with the same encoder."""
    parser.add_argument("--file", required=True, help="file that export wrote")
    _add_as(parser)
    flags = parser.parse_args(words)
    part = TaskPart.read(Path(flags.file))
    if flags.new_name:
        part = part.called(flags.new_name)
    _opened(flags.run).attach(part, flags.file)
    print(f"added: {part.task.name} to {flags.run}, from {flags.file}")


def _merge(parser: Parser, words: Sequence[str]) -> None:
    """Writes a run of one task, its LoRA adapter merged into the encoder."""
    parser.add_argument("--task", help="task [the run's only one]")
    parser.add_argument("--output", required=True, help="folder of the new run")
    flags = parser.parse_args(words)
    folder = _folder(flags.run)
    quiet_tensorflow()
    from tfglue.merged_run import merge_run

    print(f"written: {merge_run(folder, flags.task, Path(flags.output)).path}")


def _add_as(parser: Parser) -> None:
    parser.add_argument("--as", dest="new_name", metavar="NAME",
                        help="name of the task in this run [the name it has]")


def _opened(path: str) -> "RunParts":
    folder = _folder(path)
    quiet_tensorflow()
    from tfglue.run_parts import RunParts

    return RunParts(folder)


def _folder(name: str, flag: str = "--run") -> RunFolder:
    folder, epoch = RunFolder.named(name)
    if epoch is not None:
        raise UserError(
            f"{flag} {name}: parts are of a run's final weights; leave out @{epoch}"
        )
    folder.finished_manifest()
    return folder


_ACTIONS: dict[str, Any] = {
    "list": _list, "add": _add, "remove": _remove, "export": _export, "import": _import,
    "merge": _merge,
}


if __name__ == "__main__":
    raise SystemExit(main())
