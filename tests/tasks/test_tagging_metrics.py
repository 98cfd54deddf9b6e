from tfglue import tasks
from tfglue.predictions.tags import METRICS


def test_every_metric_of_tags_is_known():
    for name in tasks.names():
        task = tasks.get(name)
        if task.kind == "tag":
            known = {*METRICS, *(("f1",) if len(task.labels) == 2 else ())}
            assert set(task.metrics) <= known
