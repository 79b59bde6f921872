"""Shared parameters: whoever exchanges when, all changes are in the sum, and all copies meet."""

from collections.abc import Callable
from threading import Event

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.config import Config
from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.model import Model
from daskgraph.parameters import Arrays, ParameterClient, ParameterServer, shared_arrays

STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["train", "between", "settle"])), max_size=40)


def whole_numbers(size: int = 4) -> Arrays:
    # Sums of whole numbers are exact, in any order.
    return {"a": np.zeros(size, np.float32), "b": np.zeros((2, size), np.float32)}


@given(STEPS)
def test_exchange__no_change_is_lost_and_all_agree(steps: list[tuple[int, str]]) -> None:
    server = ParameterServer()
    workers = [whole_numbers() for _ in range(3)]
    clients = [ParameterClient(arrays, server) for arrays in workers]
    expected = whole_numbers()
    for number, (worker, what) in enumerate(steps):
        if what == "train":
            for name, array in workers[worker].items():
                array += number + 1
                expected[name] += number + 1
        elif what == "between":
            clients[worker].between_slices()
        else:
            clients[worker].settle()
    for client in (*clients, *clients):
        client.settle()
        client.between_slices()
    for client in clients:
        client.settle()
        client.close()
    for arrays in workers:
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, expected[name])


class SlowServer(ParameterServer):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = Event()

    def exchange(self, changes: Arrays) -> Arrays:
        self.answer.wait()
        return super().exchange(changes)


def test_exchange__what_is_trained_on_the_way_there_and_back_counts() -> None:
    server = SlowServer()
    arrays = whole_numbers()
    client = ParameterClient(arrays, server)
    arrays["a"] += 1
    client.between_slices()
    arrays["a"] += 10
    server.answer.set()
    client.settle()
    client.close()
    np.testing.assert_array_equal(arrays["a"], 11.0)
    np.testing.assert_array_equal(server.join({})["a"], 11.0)


def test_join__who_comes_later_gets_what_the_others_have_trained() -> None:
    server = ParameterServer()
    first, second = whole_numbers(), whole_numbers()
    client = ParameterClient(first, server)
    first["b"] += 3
    client.settle()
    client.close()
    ParameterClient(second, server).close()
    np.testing.assert_array_equal(second["b"], 3.0)


def test_shared_arrays__are_the_very_arrays_that_are_trained() -> None:
    config = Config.from_dict({"model": {"operator": "linear", "dimension": 4, "global_embedding": True}})
    schema = GraphSchema((EntityType("entity", 5),), (RelationType("edge", "entity", "entity"),))
    parameters = Model(config, schema).initial()
    whole = {"rows/entity": np.zeros((5, 4), np.float32)}
    arrays = shared_arrays(parameters, whole)
    write: Callable[[str], None] = lambda name: arrays[name].fill(7)  # noqa: E731
    for name in arrays:
        write(name)
    assert (parameters.tail == 7).all()
    assert (parameters.tail_sums == 7).all()
    assert (parameters.common["entity"] == 7).all()
    assert (parameters.common_sums["entity"] == 7).all()
    assert (whole["rows/entity"] == 7).all()
