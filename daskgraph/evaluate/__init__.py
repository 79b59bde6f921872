"""Evaluate a model: where it ranks the true edges of a split among all others."""

from daskgraph.evaluate.evaluating import evaluate
from daskgraph.evaluate.figures import Evaluation, Figures

__all__ = ["Evaluation", "Figures", "evaluate"]
