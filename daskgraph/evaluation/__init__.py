"""Evaluate a model: where it ranks the true edges of a split among all others."""

from daskgraph.evaluation.evaluating import evaluate
from daskgraph.evaluation.figures import Evaluation, Figures

__all__ = ["Evaluation", "Figures", "evaluate"]
