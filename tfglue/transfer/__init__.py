"""Which source task will help a target: embeddings of tasks, estimators, rankings."""
