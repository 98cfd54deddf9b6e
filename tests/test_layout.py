"""The structure that the rest relies on: one-way imports, short files, no TensorFlow at start."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tfglue", "tuning", "data_prep")

# Lower numbers know nothing of higher ones. Inside a layer imports are free.
LAYERS = (
    ("tfglue.errors", "tfglue.files", "tfglue.form", "tfglue.registry", "tfglue.flags",
     "tfglue.command_line", "tfglue.named_settings", "tfglue.typed_lines", "tfglue.report_folder",
     "tfglue.aligned_table", "tfglue.figure", "tfglue.comma_separated",
     "tfglue.folder_lock", "tfglue.grid_folder"),
    ("tfglue.tasks",),
    ("tfglue.config", "tfglue.setting_values", "tfglue.training_recipe", "tfglue.resolution"),
    ("tfglue.data", "tfglue.metrics"),
    ("tfglue.models",),
    ("tfglue.adapters",),
    ("tfglue.predictions",),
    ("tfglue.kinds",),
    ("tfglue.training",),
    ("tfglue.activations",),
    ("tfglue.manifest_check", "tfglue.experiment_plan", "tfglue.run_folder",
     "tfglue.curves", "tfglue.layer_weights", "tfglue.model_card", "tfglue.results",
     "tfglue.budget", "tfglue.output", "tfglue.language_models",
     "tfglue.task_choice", "tfglue.preparation", "tfglue.manifest", "tfglue.evaluation",
     "tfglue.initial_run", "tfglue.run_plan",
     "tfglue.submission", "tfglue.submission_check", "tfglue.prediction_file",
     "tfglue.soft_targets", "tfglue.teachers", "tfglue.teaching", "tfglue.loss_terms",
     "tfglue.kept_predictions", "tfglue.diagnostic", "tfglue.task_part", "tfglue.part_fit",
     "tfglue.part_table", "tfglue.run_parts", "tfglue.finished_run"),
    ("tfglue.scored_experiment", "tfglue.scored_row", "tfglue.experiment_reading",
     "tfglue.comparison", "tfglue.comparison_plot", "tfglue.glue_score"),
    ("tfglue.run", "tfglue.answering", "tfglue.trainer", "tfglue.merged_run",
     "tfglue.grid_run"),
    ("tfglue.transfer",),
    ("tfglue.chain", "tfglue.source_choice", "tfglue.restarts", "tfglue.experiment",
     "tfglue.leaderboard_answers", "tfglue.ensemble_members", "tfglue.ensemble_report",
     "tfglue.ensemble_plot", "tfglue.low_data"),
    ("tfglue.added_task", "tfglue.serving"),
    ("tfglue.train", "tfglue.pretrain", "tfglue.evaluate", "tfglue.predict", "tfglue.export",
     "tfglue.convert",
     "tfglue.doctor", "tfglue.submit", "tfglue.compare", "tfglue.parts", "tfglue.features",
     "tfglue.ensemble", "tfglue.probe", "tfglue.embed", "tfglue.recommend",
     "tfglue.transfer_matrix", "tfglue.learning_curve", "tfglue.__main__", "tuning", "data_prep"),
)
# The package names public things without importing them.
FREE = ("tfglue.__init__",)


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def layer(name: str) -> int:
    for index, members in enumerate(LAYERS):
        if any(name == member or name.startswith(member + ".") for member in members):
            return index
    raise AssertionError(f"{name} is in no layer; add it to LAYERS")


def imports(path: Path) -> set[str]:
    """Modules that a file imports when it is loaded; lazy imports inside functions are not."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    names = set(MODULES) | {name.removesuffix(".__init__") for name in MODULES}
    return {name for name in found if name in names and name != "tfglue"}


@pytest.mark.parametrize("name", [name for name in MODULES if name not in FREE])
def test_imports_point_one_way(name):
    own = layer(name.removesuffix(".__init__"))
    for imported in imports(MODULES[name]):
        assert layer(imported) <= own, f"{name} imports {imported} from above it"


def test_the_layer_test_sees_imports():
    assert "tfglue.models.encoder" in imports(ROOT / "tfglue/models/transfer_model.py")


@pytest.mark.parametrize("name", MODULES)
def test_files_stay_short(name):
    lines = MODULES[name].read_text(encoding="utf-8").count("\n")
    assert lines <= 400


STARTS = {
    "import": "import tfglue, tfglue.tasks",
    "tfglue": "from tfglue.__main__ import main; main(['--help'])",
    **{
        module: f"from {module} import main; main(['--help'])"
        for module in ("tfglue.train", "tfglue.pretrain", "tfglue.evaluate", "tfglue.predict",
                       "tfglue.convert", "tfglue.doctor", "tfglue.submit", "tfglue.compare",
                       "tfglue.parts", "tfglue.ensemble", "tfglue.probe", "tfglue.features",
                       "data_prep.activations", "data_prep.download", "data_prep.verify",
                       "tuning.search", "tfglue.export", "tfglue.embed", "tfglue.recommend",
                       "tfglue.transfer_matrix", "tfglue.learning_curve")
    },
}


@pytest.mark.parametrize("name", STARTS)
def test_starting_loads_no_tensorflow_and_is_quick(name):
    code = (
        f"import sys\ntry:\n    {STARTS[name]}\nexcept SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    seconds = []
    for _ in range(3):
        # Processor time, since other tests run beside this one.
        before = os.times()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
        after = os.times()
        seconds.append(
            after.children_user - before.children_user
            + after.children_system - before.children_system
        )
    assert min(seconds) < 0.5
