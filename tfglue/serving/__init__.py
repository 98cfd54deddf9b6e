"""A run as a SavedModel that takes strings: what TF Serving loads, and what `predict` reads."""

WEIGHT_TYPES = ("float32", "float16", "bfloat16", "int8")
"""How an export may store its large matrices."""
