"""What a task adds to the encoder that all tasks share: adapters by name.

A file in this package that declares a configuration and adds it to `ADAPTERS` is all that a new
adapter takes.
"""

import importlib
import pkgutil

from tfglue.adapters.adapter import Adapter
from tfglue.adapters.config import ADAPTERS, AdapterConfig
from tfglue.adapters.encoder_shape import EncoderShape
from tfglue.adapters.reading import read_adapter

__all__ = ["ADAPTERS", "Adapter", "AdapterConfig", "EncoderShape", "read_adapter"]

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
