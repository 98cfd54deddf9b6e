"""What a server is started with: ``models.config`` and the command of a container."""

import json
import shlex

from tfglue.serving.export_folder import MARK

_MODELS = "/models"


def models_config(model: str) -> str:
    """The text of a ``models.config`` for one model, whose newest version is served.

    Args:
        model: its name, and that of its folder inside the container.
    """
    name, path = json.dumps(model), json.dumps(f"{_MODELS}/{model}")
    return (
        f"# {MARK}\n"
        "model_config_list {\n"
        "  config {\n"
        f"    name: {name}\n"
        f"    base_path: {path}\n"
        '    model_platform: "tensorflow"\n'
        "  }\n"
        "}\n"
    )


def container_command(model: str) -> str:
    """The command that serves the model, to be typed in its folder: gRPC on 8500, REST on 8501."""
    mount = shlex.quote(f"{_MODELS}/{model}")
    return (
        "docker run --rm -p 8500:8500 -p 8501:8501 \\\n"
        f'  -v "$PWD":{mount}:ro tensorflow/serving \\\n'
        f"  --model_config_file={mount}/models.config"
    )
