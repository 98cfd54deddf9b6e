"""Graphs of runs that several tests ask."""

import pytest

from tests.serving.graph import Graph
from tests.serving.small_runs import TRACED, small_run


@pytest.fixture(scope="session")
def graphs():
    """Of a run of each task; made when asked for."""
    made: dict[str, Graph] = {}

    def graph(name: str) -> Graph:
        if name not in made:
            made[name] = Graph(small_run(name, calibration=0.1), traced=name in TRACED)
        return made[name]

    return graph
