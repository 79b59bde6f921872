"""How a training meets a cluster whose workers come and go."""

from typing import Any

import pytest

from daskgraph.executors.connection import TRIES, register


class Client:
    """Fails to reach some worker so many times."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.given: list[tuple[Any, str]] = []

    def register_plugin(self, plugin: Any, name: str) -> None:
        if self.left:
            self.left -= 1
            raise OSError("stream is closed")
        self.given.append((plugin, name))


@pytest.mark.parametrize("failures", [0, 1, TRIES - 1])
def test_register__again_where_a_worker_dies_meanwhile(failures: int) -> None:
    client: Any = Client(failures)
    plugin: Any = object()
    register(client, plugin, "films", pause=0)
    assert client.given == [(plugin, "films")]


def test_register__gives_up() -> None:
    client: Any = Client(TRIES)
    with pytest.raises(OSError, match="stream is closed"):
        register(client, None, "films", pause=0)  # type: ignore[arg-type]
