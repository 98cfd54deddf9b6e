"""What a model says about the examples of a split, one class for each kind of task."""
