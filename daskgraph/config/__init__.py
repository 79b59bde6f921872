"""The config: what every key is called, what it may be, and where a wrong one is.

A config is read in two steps, because a resumed training needs them apart: `load` collects the keys that
were given, from files, dicts and overrides, and `merge` lays them over a base (nothing, or the config stored
in a model) and checks the whole.
"""

from daskgraph.config.loading import load, merge, merge_stored
from daskgraph.config.models import (
    ClusterConfig,
    Config,
    EntityConfig,
    EvaluationConfig,
    GraphConfig,
    LossConfig,
    ModelConfig,
    NegativesConfig,
    RelationConfig,
    TrainingConfig,
)
from daskgraph.config.quantities import parse_bytes, parse_seconds

__all__ = [
    "ClusterConfig",
    "Config",
    "EntityConfig",
    "EvaluationConfig",
    "GraphConfig",
    "LossConfig",
    "ModelConfig",
    "NegativesConfig",
    "RelationConfig",
    "TrainingConfig",
    "load",
    "merge",
    "merge_stored",
    "parse_bytes",
    "parse_seconds",
]
