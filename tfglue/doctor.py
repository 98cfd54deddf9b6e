"""``python -m tfglue.doctor``: what is installed, what is missing, and how to mend it."""

import importlib
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import tfglue
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.data.cache_folder import cache_folder

_DESCRIPTION = """Versions, optional packages, devices and disk; for whatever is missing, what it
would break and the command that mends it."""


@dataclass(frozen=True)
class Package:
    """A package that tfglue uses.

    Args:
        name: its name on the package index.
        module: what is imported.
        need: what does not work without it.
        extra: the extra that installs it; empty for required packages.
    """

    name: str
    module: str
    need: str
    extra: str = ""


PACKAGES = (
    Package("tensorflow", "tensorflow", "training and everything that runs a model"),
    Package("keras", "keras", "training and everything that runs a model"),
    Package("tensorflow-text", "tensorflow_text", "tokenizing"),
    Package("safetensors", "safetensors", "reading and writing weights"),
    Package("scikit-learn", "sklearn", "classification metrics"),
    Package("scipy", "scipy", "regression metrics"),
    Package("matplotlib", "matplotlib", "curves.png"),
    Package("numpy", "numpy", "anything"),
    Package("pyyaml", "yaml", "run.yaml and recipes"),
    Package("rich", "rich", "progress"),
    Package("importlib_resources", "importlib_resources", "--data tfds"),
    Package("keras-nlp", "keras_nlp", "--encoder with a KerasHub preset"),
    Package("tensorflow-datasets", "tensorflow_datasets", "--data tfds"),
    Package("keras-tuner", "keras_tuner", "tuning", "tune"),
    Package("tensorboard", "tensorboard", "TensorBoard logs; every keras-tuner search", "tune"),
    Package("tensorflow-serving-api", "tensorflow_serving", "gRPC clients of a server", "serve"),
    Package("transformers", "transformers", "side-by-side checks", "reference"),
    Package("torch", "torch", "--encoder with a PyTorch file, side-by-side checks", "reference"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; status 1 if a required package does not work."""
    return run(lambda: _doctor(argv))


def _doctor(argv: Sequence[str] | None) -> int:
    Parser("python -m tfglue.doctor", _DESCRIPTION).parse_args(argv)
    quiet_tensorflow()
    print(f"tfglue {tfglue.__version__}, python {platform.python_version()}, {platform.platform()}")
    broken = [package for package in PACKAGES if not _report(package)]
    _report_devices()
    for label, path in (("current folder", Path.cwd()), ("token cache", cache_folder())):
        existing = next(place for place in (path, *path.parents) if place.exists())
        print(f"disk for {label} ({path}): {shutil.disk_usage(existing).free / 1e9:.1f} GB free")
    required = [package.name for package in broken if not package.extra]
    print("all required packages work" if not required else f"broken: {', '.join(required)}")
    return 1 if required else 0


def _report(package: Package) -> bool:
    try:
        importlib.import_module(package.module)
    except Exception as error:  # A broken wheel can fail with anything; that is the finding.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        print(f"{package.name}: does not work ({reason})")
        print(f"  without it: no {package.need}")
        print(f"  mend it: {mend(package)}")
        return False
    try:
        version = metadata.version(package.name)
    except metadata.PackageNotFoundError:
        version = "(version unknown)"
    print(f"{package.name} {version}")
    return True


def mend(package: Package) -> str:
    """The command that installs a package."""
    if package.extra:
        return f'{sys.executable} -m pip install "tfglue[{package.extra}]"'
    if package.name == "tensorflow-text":
        # Release 2.21.0 was built without a symbol that it needs at import.
        return f'{sys.executable} -m pip install --upgrade "tensorflow-text!=2.21.0"'
    return f"{sys.executable} -m pip install --upgrade {package.name}"


def _report_devices() -> None:
    try:
        import tensorflow as tf
    except Exception:  # Reported above with its cause.
        return
    gpus = tf.config.list_physical_devices("GPU")
    print(f"devices: {len(gpus)} GPU{'' if len(gpus) == 1 else 's'}, CPU")


if __name__ == "__main__":
    raise SystemExit(main())
