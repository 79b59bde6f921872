"""Presets: settings that suit a kind of graph, chosen from its shape, each with its reason."""

from daskgraph.presets.choosing import (
    ALL_ENTITIES,
    BUDGET,
    PRESETS,
    UNIFORM_ALONE,
    Preset,
    Reason,
    choose,
    types_for,
)
from daskgraph.presets.shapes import Shape
from daskgraph.presets.trials import Trials

__all__ = [
    "ALL_ENTITIES",
    "BUDGET",
    "PRESETS",
    "UNIFORM_ALONE",
    "Preset",
    "Reason",
    "Shape",
    "Trials",
    "choose",
    "types_for",
]
