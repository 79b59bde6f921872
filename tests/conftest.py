import os

import pytest
from hypothesis import HealthCheck, settings

# Programs of their own; one of them runs where PBG is installed, and daskgraph is not.
collect_ignore = ["benchmarks"]

# Kernels compile in the first example, and machines are shared: no deadline.
settings.register_profile("default", max_examples=60, deadline=None)
settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True)
settings.register_profile(
    "thorough", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, where Numba is told to compile nothing, what would take minutes without."""
    if not os.environ.get("NUMBA_DISABLE_JIT"):
        return
    for item in items:
        if item.get_closest_marker("compiled"):
            item.add_marker(pytest.mark.skip(reason="takes minutes without compiled kernels"))
