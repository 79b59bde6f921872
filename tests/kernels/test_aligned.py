import numpy as np
import pytest

from daskgraph_kernels.aligned import zeros


@pytest.mark.parametrize("shape", [(0,), (1,), (16,), (0, 5), (7, 100), (50, 128), (3, 4, 5)])
def test_zeros__begin_a_cache_line(shape: tuple[int, ...]) -> None:
    # Several are held at a time, for one may be aligned by chance.
    for made in [zeros(*shape) for _ in range(8)]:
        assert made.shape == shape
        assert made.dtype == np.float32
        assert made.flags.c_contiguous
        assert made.size == 0 or made.ctypes.data % 64 == 0
        assert not made.any()


def test_zeros__do_not_overlap() -> None:
    first, second = zeros(4, 16), zeros(4, 16)
    first += 1
    assert not second.any()
