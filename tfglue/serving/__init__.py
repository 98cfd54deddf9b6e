"""A run as a SavedModel that takes strings: what TF Serving loads, and what `predict` reads."""
