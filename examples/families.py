"""Train every operator with every comparator on CoDEx-S, and print a table of filtered test MRRs.

    python examples/families.py [EPOCHS]

The config is the same for all but for the loss of cos. Nothing is searched for: the table shows that each
family learns, not what it can reach.
"""

import sys
import tempfile
import time
from pathlib import Path

import daskgraph
from daskgraph_kernels import names

GRAPH = Path(__file__).with_name("codex-s")

RANKING = {"function": "ranking", "margin": 0.2}
SOFTMAX = {"function": "softmax"}


def config(operator: str, comparator: str, epochs: int) -> dict:
    return {
        "model": {
            "dimension": 64,
            "operator": operator,
            "comparator": comparator,
            "reciprocal": True,
            "init_scale": 0.1,
        },
        # Cosines span too little for a softmax to tell candidates apart.
        "loss": RANKING if comparator == "cos" else SOFTMAX,
        "negatives": {"uniform": 200},
        "training": {"epochs": epochs, "batch_size": 200, "checkpoint": "1h"},
    }


def main(epochs: int = 5) -> None:
    started = time.perf_counter()
    print("| operator | " + " | ".join(names.COMPARATORS) + " |")
    print("|---|" + "---:|" * len(names.COMPARATORS))
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "codex-s.graph.zarr"
        sources = {split: GRAPH / f"{split}.tsv.gz" for split in ("valid", "test")}
        daskgraph.import_edges(
            [GRAPH / "train.tsv.gz"], graph, columns=["head", "relation", "tail"], **sources
        )
        for operator in names.OPERATORS:
            found = []
            for comparator in names.COMPARATORS:
                path = Path(folder) / f"{operator}-{comparator}.model.zarr"
                model = daskgraph.train(graph, path, config=config(operator, comparator, epochs))
                found.append(f"{model.evaluate('test').mrr:.3f}")
            print(f"| {operator} | " + " | ".join(found) + " |", flush=True)
    print(f"{epochs} epochs each, {time.perf_counter() - started:.0f} s in all", file=sys.stderr)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
