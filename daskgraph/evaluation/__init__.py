"""Evaluate a model: where it ranks the true edges of a split among all others."""

from daskgraph.evaluation.evaluating import evaluate
from daskgraph.evaluation.figures import Evaluation, Figures
from daskgraph.evaluation.protocol import SAMPLINGS, Protocol

__all__ = ["SAMPLINGS", "Evaluation", "Figures", "Protocol", "evaluate"]
