"""Random valid configs, as the dicts that people would write."""

from typing import Any

from hypothesis import strategies as st

from daskgraph_kernels import names

_counts = st.integers(0, 10**6)
_positive = st.integers(1, 10**6)
_factors = st.floats(0, 1e6, allow_nan=False)
_rates = st.floats(1e-9, 1e6, allow_nan=False)
_names = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=8)
_sizes = st.one_of(
    st.just("auto"), _positive, st.builds("{}{}".format, _positive, st.sampled_from(["", "MB", "GiB", " k"]))
)
_durations = st.builds("{}{}".format, _counts, st.sampled_from(["s", "min", "h", " ms"]))

_EVEN = ("complex_diagonal", "rotation", "complex_modulus")
_ODD_SAFE_OPERATORS = [name for name in names.OPERATORS if name not in _EVEN]
_ODD_SAFE_COMPARATORS = [name for name in names.COMPARATORS if name not in _EVEN]


def _table(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def _types_and_relations(draw: st.DrawFn) -> dict[str, Any]:
    types = draw(st.lists(_names, min_size=1, max_size=3, unique=True))
    relation_names = draw(st.lists(st.text(min_size=1), min_size=len(types), max_size=5, unique=True))
    relations = []
    for number, name in enumerate(relation_names):
        # Every type is used; with one dimension for all, any two may be joined.
        head = types[number] if number < len(types) else draw(st.sampled_from(types))
        relation = draw(
            _table(
                operator=st.sampled_from(_ODD_SAFE_OPERATORS),
                weight=_rates,
                all_candidates=st.booleans(),
            )
        )
        relations.append({"name": name, "head": head, "tail": draw(st.sampled_from(types))} | relation)
    tables = {name: draw(_table(partitioned=st.booleans())) for name in types}
    return {"entities": tables, "relations": relations}


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Return the dict of a valid config, any keys left out."""
    sections = _table(
        graph=_table(partitions=st.one_of(st.just("auto"), _positive)),
        model=_table(
            dimension=_positive,
            operator=st.sampled_from(_ODD_SAFE_OPERATORS),
            comparator=st.sampled_from(_ODD_SAFE_COMPARATORS),
            reciprocal=st.booleans(),
            max_norm=_factors,
            init_scale=_rates,
        ),
        loss=_table(function=st.sampled_from(names.LOSSES), margin=_factors, regularization=_factors),
        negatives=_table(
            uniform=_counts, all=st.booleans(), corrupt=st.sampled_from(["both", "head", "tail"])
        ),
        training=_table(
            epochs=_positive,
            batch_size=_positive,
            learning_rate=_rates,
            relation_learning_rate=_factors,
            threads=_counts,
            memory=_sizes,
            seed=st.integers(0, 2**63 - 1),
            checkpoint=_durations,
        ),
        evaluation=_table(every=_counts, candidates=st.one_of(st.just("all"), _positive)),
    )
    return draw(sections) | (draw(_types_and_relations()) if draw(st.booleans()) else {})
