"""Cumulative sums equal torch's, and a row's bits do not depend on the batch."""

import torch

from barkserve.kernels.cumulative_sums import cumulative_sums


def test_cumulative_sums_equal_torch() -> None:
    x = torch.rand(5, 1030, generator=torch.Generator().manual_seed(1))[:, :1025]
    out = cumulative_sums(x)
    torch.testing.assert_close(out, x.cumsum(dim=1), rtol=1e-5, atol=0)
    assert torch.equal(out[3], cumulative_sums(x[3:4])[0])
