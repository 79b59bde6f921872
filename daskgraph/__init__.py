"""Embeddings of graphs of any size, trained on ordinary CPUs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daskgraph.api import (
        Answer,
        Classification,
        Evaluation,
        Graph,
        Model,
        Plan,
        cancel,
        classify,
        evaluate,
        import_edges,
        job_script,
        open_graph,
        open_model,
        plan,
        restore,
        train,
    )
    from daskgraph.config import Config
    from daskgraph.errors import DaskgraphError
    from daskgraph.registration import register_comparator, register_loss, register_operator

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Classification",
    "Config",
    "DaskgraphError",
    "Evaluation",
    "Graph",
    "Model",
    "Plan",
    "cancel",
    "classify",
    "evaluate",
    "import_edges",
    "job_script",
    "open_graph",
    "open_model",
    "plan",
    "register_comparator",
    "register_loss",
    "register_operator",
    "restore",
    "train",
]

_HOMES = {
    "Config": "daskgraph.config",
    "DaskgraphError": "daskgraph.errors",
    "register_comparator": "daskgraph.registration",
    "register_loss": "daskgraph.registration",
    "register_operator": "daskgraph.registration",
}


def __getattr__(name: str) -> Any:
    # Loaded at first use: NumPy, Numba, Zarr and pandas take seconds, and `import daskgraph` must not.
    if name not in __all__:
        raise AttributeError(f"module 'daskgraph' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_HOMES.get(name, "daskgraph.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
