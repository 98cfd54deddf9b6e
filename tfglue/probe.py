"""``python -m tfglue.probe``: what linear maps read from each layer of a store."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.files import csv_text, write_json, write_text
from tfglue.report_folder import report_folder

_DESCRIPTION = """What linear maps read from each layer of a store of hidden states.

  python -m tfglue.probe --activations activations/sst --output probes/sst
  python -m tfglue.probe --activations activations/rte --positions first,mean,1,2,3 \\
      --output probes/rte

Every probe is fitted on the store's train split and scored on its dev split."""

FORMAT = "tfglue.probe.v1"
FILES = ("probe.csv", "probe.json", "probe.png")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _probe(argv))


def _probe(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.probe", _DESCRIPTION)
    parser.add_argument("--activations", required=True, help="store of data_prep.activations")
    parser.add_argument(
        "--positions",
        help="first, middle, last, mean, or token numbers from 0, a,b [first,mean,last; of tags: "
        "words]",
    )
    parser.add_argument("--output", required=True, help=f"folder for {', '.join(FILES)}")
    parser.add_argument("--overwrite", action="store_true", help="replace these files")
    flags = parser.parse_args(argv)
    folder = report_folder(flags.output, FILES, flags.overwrite)
    quiet_tensorflow()
    from rich.console import Console
    from rich.progress import Progress

    from tfglue.activations.probe_plot import plot_probes
    from tfglue.activations.probing import LayerProbe
    from tfglue.activations.store import ActivationStore
    from tfglue.finished_run import FinishedRun

    store = ActivationStore(flags.activations)
    name = store.manifest["task"]
    source = FinishedRun.named(store.manifest["encoder"]["name"])
    task = source.task(name)
    positions = [part.strip() for part in flags.positions.split(",")] if flags.positions else None
    probe = LayerProbe(store, task, positions)
    with Progress(console=Console(), transient=True) as progress:
        bar = progress.add_task("probes", total=len(store.form.layers) * len(probe.positions))
        rows = probe.scores(lambda: progress.advance(bar))
    metric = probe.metrics[0]
    floor = probe.floor()
    print("\n".join(_table(rows, metric, probe.positions)))
    print(f"nothing learned: {floor:.4f}")
    table, report, plot = (folder / file for file in FILES)
    write_text(table, csv_text(rows))
    facts = {"task": name, "metric": metric, "floor": floor, "encoder": store.manifest["encoder"]}
    write_json(report, {"format": FORMAT, **facts, "probes": rows})
    plot_probes(rows, metric, plot, title=f"{name}: linear probes of {source.name}",
                floor=floor)
    print(f"written: {', '.join(str(folder / file) for file in FILES)}")


def _table(
    rows: Sequence[Mapping[str, Any]], metric: str, positions: Sequence[str]
) -> list[str]:
    """Layers down, positions across."""
    scores = {(row["layer"], row["position"]): row[metric] for row in rows}
    lines = [f"{'layer':>5}  " + "  ".join(f"{position:>8}" for position in positions)]
    for layer in dict.fromkeys(row["layer"] for row in rows):
        cells = "  ".join(f"{scores[layer, position]:8.4f}" for position in positions)
        lines.append(f"{layer:>5}  {cells}")
    return [f"{metric} on dev", *lines]


if __name__ == "__main__":
    raise SystemExit(main())
