"""``python -m tfglue.recommend``: the sources of a library, ranked for a target."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfglue.comma_separated import csv_of_records
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.errors import UserError, suggestion
from tfglue.files import write_json, write_text
from tfglue.report_folder import report_folder
from tfglue.transfer.components import METHODS as EMBEDDINGS
from tfglue.transfer.estimators import ESTIMATORS, data_size

_DESCRIPTION = """Which source tasks to train before a target, best first.

  python -m tfglue.recommend --task rte --library embeddings
      all tasks embedded there, by every method there is, and by all of them fused
  python -m tfglue.recommend --task rte --library embeddings --methods text,task,logme,leep \\
      --runs saved_models/mnli saved_models/sst --data GLUE
      also by how well the models of sources suit the labels of the target

A library is a folder with one folder for every embedding (python -m tfglue.embed), or for the .npy
files of other programs."""

FILES = ("recommendation.json", "recommendation.csv", "recommendation.html")
_OF_RUNS = (*ESTIMATORS, "curve_gradient")
METHODS = (*EMBEDDINGS, *_OF_RUNS, "data_size")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _recommend(argv))


def _recommend(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.recommend", _DESCRIPTION)
    add = parser.add_argument
    add("--task", help="the target, by the name of its embedding")
    add("--library", required=True, help="folder of embeddings")
    add("--target", help="folder of the target's embedding, where it is not in the library; with "
        "--task that is what the task is called")
    add("--methods", help=f"fused, a,b of {', '.join(METHODS)} [text and task, and with --runs all "
        "that can be had]")
    add("--components", help="compare by these, a,b, instead of avg_sequence_output and the "
        "outputs of all layers")
    add("--center", action="store_true", help="subtract the mean over the library from embeddings, "
        "whose plain cosines crowd near 1")
    add("--runs", nargs="+", metavar="RUN", help="runs of the sources, for estimators")
    add("--data", help="data of the target, for estimators [sample]")
    add("--train_examples", type=int, help="rows of the target that estimators see [all]")
    add("--output", help=f"folder for {', '.join(FILES)} and a map of the tasks by every method")
    add("--overwrite", action="store_true", help="replace these files")
    flags = parser.parse_args(argv)
    if not flags.task and not flags.target:
        raise UserError("--task is needed, the target; or --target, its embedding")
    methods, components = _list(flags.methods), _list(flags.components)
    for name in methods:
        if name not in METHODS:
            raise UserError(
                f"--methods: unknown method '{name}'{suggestion(name, METHODS)} (known: "
                f"{', '.join(METHODS)})"
            )
    for name in methods:
        if name in _OF_RUNS and not flags.runs:
            raise UserError(f"--methods {name} needs --runs, the fine-tuned sources")
    if flags.train_examples is not None and flags.train_examples < 1:
        raise UserError(f"--train_examples: must be at least 1, not {flags.train_examples}")
    folder = report_folder(flags.output, FILES, flags.overwrite) if flags.output else None
    from tfglue.transfer.embedding import TaskEmbedding
    from tfglue.transfer.library import Library
    from tfglue.transfer.recommendation import recommend

    library = Library.read(flags.library)
    target = flags.task
    if flags.target:
        embedding = TaskEmbedding.read(Path(flags.target))
        called = flags.task or embedding.name
        target = _known_as(called, library) or called
        library = library.with_embedding(replace(embedding, name=target))
    elif target not in library.names:
        target = _found_name(target, library)
    added = _added(flags, target, methods, library)
    found = recommend(library, target, methods, components, flags.center, added)
    print("\n".join(found.lines()))
    if folder is not None:
        _write(folder, found, library, components)


def _found_name(name: str, library) -> str:
    """The name that the library has for a task or an alias of it."""
    if known := _known_as(name, library):
        return known
    raise UserError(
        f"--task {name}: {library.folder} has no embedding of it"
        f"{suggestion(name, library.names)} (it has {', '.join(library.names)}); make one with "
        f"python -m tfglue.embed, or name its folder with --target"
    )


def _known_as(name: str, library) -> str | None:
    """What the library calls a task, as the folders of other programs may have other names."""
    from tfglue import tasks

    declared = tasks.find(name)
    for known in library.names:
        if known.lower() == name.lower() or (declared and tasks.find(known) == declared):
            return known
    return None


def _added(
    flags: Namespace, target: str, methods: Sequence[str], library
) -> dict[str, dict[str, float]]:
    """Method -> source -> score of what is not an embedding.

    Without `methods` runs are judged in every way that they can be; what cannot is said.
    """
    added: dict[str, dict[str, float]] = {}
    if "data_size" in methods:
        sizes = {name: data_size(n) for name, n in library.sizes().items() if name != target}
        if not sizes:
            raise UserError(
                f"--methods data_size: no embedding in {library.folder} has a manifest that says "
                "how many examples its task has"
            )
        added["data_size"] = sizes
    wanted = [name for name in methods or _OF_RUNS if name in _OF_RUNS]
    if not wanted or not flags.runs:
        return added
    estimators = [one for one in wanted if one in ESTIMATORS]
    if estimators and (reason := _no_labels(target, library)):
        problem = f"{reason}, which {', '.join(estimators)} need"
        if methods:
            raise UserError(f"--methods: {problem}; leave them out")
        print(f"not judged: {problem}")
        estimators = []
    quiet_tensorflow()
    from tfglue.run import Run

    others, rows = 0, None
    for name in flags.runs:
        opened = Run.open(name)
        for source in opened.tasks.values():
            called = _known_as(source.name, library) or source.name
            if called == target:
                print(f"not judged: {name} is of {target}, the target itself")
                continue
            others += 1
            for chosen in (["curve_gradient"] if "curve_gradient" in wanted else [], estimators):
                if not chosen:
                    continue
                try:
                    if chosen is estimators and rows is None:
                        rows = _rows(flags, target, opened)
                    found = _judged(opened, source, rows, chosen)
                except UserError as error:
                    if methods:
                        raise
                    print(f"not judged by {', '.join(chosen)}: {error}")
                    found = {}
                for method, score in found.items():
                    added.setdefault(method, {})[called] = score
    for method in wanted if methods else ():
        if method not in added:
            problem = (
                f"no source in --runs answers what {target} labels" if others
                else f"--runs are all of {target}, the target"
            )
            raise UserError(f"--methods {method}: {problem}; leave it out")
    return added


def _rows(flags: Namespace, target: str, opened):
    """The labelled rows of the target."""
    from tfglue.transfer.task_rows import rows_for_encoder

    settings: dict[str, Any] = {
        "task": target, "data": flags.data, "train_examples": flags.train_examples,
        "encoder": opened.folder.manifest()["encoder"]["name"],
    }
    given = {n: value for n, value in settings.items() if value is not None}
    positions = opened.encoder.max_sequence_length
    return rows_for_encoder(given, opened.tokenizer, positions, print, True)


def _judged(opened, source, rows, methods: Sequence[str]) -> dict[str, float]:
    """Method -> score of one task of a run."""
    from tfglue.transfer.source_scores import estimate, learning_curve

    if "curve_gradient" in methods:
        return {"curve_gradient": learning_curve(opened, source.name)}
    found = estimate(opened, source, rows, methods)
    for method in methods:
        if method not in found:
            print(
                f"not judged by {method}: {source.name} answers other questions than "
                f"{rows.task.name}"
            )
    return found


def _no_labels(name: str, library) -> str | None:
    """Why a task's labels cannot be had here, or None where they may be."""
    from tfglue import tasks

    if library.is_text_alone(name):
        return f"{name} was embedded from texts without labels"
    if tasks.find(name) is None:
        return f"{name} is no declared task, so nothing is known of its labels"
    return None


def _write(folder: Path, found, library, components: Sequence[str]) -> None:
    from tfglue.transfer.html_report import HtmlReport
    from tfglue.transfer.ranking import RANK_FUSION_K
    from tfglue.transfer.task_space import TaskSpace

    report, table, page = (folder / name for name in FILES)
    spaces = {
        method: TaskSpace.of(library, method, components, found.center)
        for method in EMBEDDINGS if method in found.methods
    }
    write_json(report, found.to_dict())
    write_text(table, csv_of_records(found.rows()))
    html = HtmlReport(f"Sources for {found.target}")
    html.paragraph(
        f"Best first, by {' + '.join(found.fused_methods)}, fused by reciprocal ranks "
        f"(k = {RANK_FUSION_K})."
    )
    html.table(_table(found))
    written = [report, table, page]
    for method, space in spaces.items():
        picture = folder / f"tasks_{method}.png"
        space.plot(picture, f"tasks by {method} embeddings")
        write_text(picture.with_suffix(".csv"), csv_of_records(space.rows()))
        html.heading(f"Tasks by {method} embeddings")
        html.picture(picture, f"map of the tasks by {method} embeddings")
        written += [picture, picture.with_suffix(".csv")]
    html.write(page)
    print(f"written: {', '.join(map(str, written))}")


def _table(found) -> list[Mapping[str, Any]]:
    from tfglue.transfer.ranking import ranks

    places = {name: ranks(ranking) for name, ranking in found.methods.items()}
    return [
        {"source": source, "fused": score,
         **{name: f"{own[source]:g}" if source in own else None for name, own in places.items()}}
        for source, score in found.fused
    ]


def _list(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p.strip() for p in (text or "").split(",") if p.strip()))


if __name__ == "__main__":
    raise SystemExit(main())
