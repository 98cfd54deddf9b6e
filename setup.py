"""Package metadata of tfglue."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "tfglue/__init__.py").read_text())[1]

# keras-tuner says of none of the others that it needs them: TensorFlow brought TensorBoard along
# until 2.21, and Bayesian optimisation imports the rest.
TUNE = ["keras-tuner>=1.4.8", "tensorboard", "scikit-learn>=1.4", "scipy>=1.11", "threadpoolctl"]
# What clients of a server need; tests check requests against its protos.
SERVE = ["grpcio>=1.60", "requests>=2.31", "tensorflow-serving-api>=2.20"]

setup(
    name="tfglue",
    version=VERSION,
    description="Transfer learning with BERT on GLUE, SQuAD and sequence labelling, "
    "in Keras 3 and TensorFlow",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["tfglue*", "tuning*", "data_prep*"]),
    package_data={
        "tfglue": ["recipes/*.yaml", "recipes/adapters/*.json"],
        "tfglue.data": ["*.txt"],
        "tuning": ["spaces/*.yaml"],
        "tfglue.tasks.sample": ["*/*.tsv", "*/*.txt", "*/*.conllu", "*/*.json"],
    },
    install_requires=[
        "tensorflow>=2.20",
        # Release 2.21.0 lacks a symbol that it needs at import.
        "tensorflow-text>=2.20,!=2.21.0",
        "keras>=3.12",
        "keras-nlp>=0.32",
        "tensorflow-datasets>=4.9.7",
        # tensorflow-datasets imports it on every Python and declares it for old ones only.
        "importlib_resources",
        "numpy>=1.26",
        "safetensors>=0.4.5",
        "scikit-learn>=1.4",
        "scipy>=1.11",
        "matplotlib>=3.8",
        "pyyaml>=6.0",
        "rich>=13.7",
    ],
    extras_require={
        "tune": TUNE,
        "serve": SERVE,
        "dev": ["pytest>=8", "pytest-xdist>=3.5", "ruff>=0.6", *TUNE, *SERVE],
        # The one pin: a bare "torch" brings gigabytes of CUDA.
        "reference": ["torch==2.13.0", "transformers>=5"],
    },
    entry_points={"console_scripts": ["tfglue = tfglue.__main__:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
