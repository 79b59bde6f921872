"""Graphs whose right answers are known."""

import numpy as np
import pandas as pd

Pairs = list[tuple[str, str]]


def cliques(count: int, size: int) -> pd.DataFrame:
    """`count` cliques of `size` entities: the members of each must come to lie together."""
    pairs = [(i, j) for i in range(size) for j in range(size) if i != j]
    rows = [(f"c{c}m{i}", f"c{c}m{j}") for c in range(count) for i, j in pairs]
    return pd.DataFrame(rows, columns=["head", "tail"])


def rings(count: int) -> pd.DataFrame:
    """A ring on which `next` goes one step and `opposite` half the way round: relations decide the answer."""
    names = [f"n{i}" for i in range(count)]
    steps = {"next": 1, "after_next": 2, "opposite": count // 2}
    rows = [
        (names[i], relation, names[(i + step) % count])
        for relation, step in steps.items()
        for i in range(count)
    ]
    return pd.DataFrame(rows, columns=["head", "relation", "tail"])


def clique_purity(vectors: np.ndarray, names: list[str]) -> float:
    """The share of entities whose nearest other entity, by cosine, is of their clique."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    own = [name.split("m")[0] for name in names]
    nearest = similarity.argmax(axis=1)
    return float(np.mean([own[i] == own[j] for i, j in enumerate(nearest)]))


def clans(count: int, users: int, items: int, newcomers: int) -> tuple[pd.DataFrame, pd.DataFrame, Pairs]:
    """Users of a clan buy all its items; only their features tell where newcomers, in test alone, belong.

    Returns train edges, test edges and pairs of a user and a feature: the clan, one that all users have, and
    one of a few that mean nothing.
    """
    bought = [
        (f"u{clan}.{user}", f"i{clan}.{item}")
        for clan in range(count)
        for user in range(users)
        for item in range(items)
    ]
    columns = ["head", "tail"]
    old = [(user, item) for user, item in bought if int(user.split(".")[1]) >= newcomers]
    new = [(user, item) for user, item in bought if int(user.split(".")[1]) < newcomers]
    pairs = [
        (f"u{clan}.{user}", feature)
        for clan in range(count)
        for user in range(users)
        for feature in (f"clan {clan}", "human", f"eyes {user % 3}")
    ]
    return pd.DataFrame(old, columns=columns), pd.DataFrame(new, columns=columns), pairs


def communities(
    count: int, size: int, degree: int, outside: float, seed: int = 0
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Communities of `size` nodes, each with `degree` edges, a share of them to anywhere; the label is the
    community.
    """
    random = np.random.default_rng(seed)
    head = np.repeat(np.arange(count * size), degree)
    inside = head // size * size + random.integers(size, size=len(head))
    anywhere = random.integers(count * size, size=len(head))
    tail = np.where(random.random(len(head)) < outside, anywhere, inside)
    kept = head != tail
    edges = pd.DataFrame({"head": head[kept], "tail": tail[kept]}).map("n{}".format)
    return edges, {f"n{node}": [f"{node // size}"] for node in range(count * size)}
