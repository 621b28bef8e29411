"""Models in 16 bits stay close to float32, on the bundled model, which is trained."""

import numpy as np
import pytest
import torch

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.models.device import DeviceCapabilities
from benchmarks.precision.agreement import Agreement, signal_to_noise
from benchmarks.precision.stages import PrecisionCheck

RELATIVE = {torch.float16: 0.003, torch.bfloat16: 0.03}  # measured: 0.0008 and 0.007 at most
DIVERGENCE = {torch.float16: 1e-4, torch.bfloat16: 5e-3}  # measured: 4e-6 and 4e-4 at most


@pytest.fixture(scope="module")
def check() -> PrecisionCheck:
    device = DeviceCapabilities.parse("cpu")
    checkpoint = Checkpoint.open(bundled_checkpoint())
    return PrecisionCheck(checkpoint, device, "sdpa", tokens=6, frames=64, spoken=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_bundled_model_in_16_bits_is_close_to_float32(
    check: PrecisionCheck, dtype: torch.dtype
) -> None:
    rows = check.compare(dtype)
    assert list(rows) == ["semantic", "coarse", "fine", "codec"]
    assert rows.pop("codec")["signal_to_noise_db"] > 55
    for stage, metrics in rows.items():
        assert 0 < metrics["relative"] < RELATIVE[dtype], (stage, metrics)
        assert metrics["divergence"] < DIVERGENCE[dtype], (stage, metrics)
        assert metrics["greedy"] > 0.9, (stage, metrics)
        assert metrics["sampled"] > 0.9, (stage, metrics)


def test_agreement_of_known_logits() -> None:
    exact = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    same = Agreement.of(exact, exact)
    assert (same.largest, same.relative, same.divergence) == (0.0, 0.0, 0.0)
    assert (same.greedy, same.sampled) == (1.0, 1.0)
    turned = Agreement.of(exact, torch.tensor([[0.0, 2.0], [0.0, 1.0]]))
    assert (turned.largest, turned.greedy) == (2.0, 0.5)
    p = 1 / (1 + np.exp(-2.0))
    assert turned.divergence == pytest.approx((2 * p - 1) * 2.0 / 2, rel=1e-5)
    assert turned.relative == pytest.approx(np.sqrt(2.0) / exact.std().item(), rel=1e-5)


def test_signal_to_noise_is_in_decibels() -> None:
    exact = np.array([1.0, -1.0, 1.0], dtype=np.float32)
    assert signal_to_noise(exact, exact * np.float32(1.1)) == pytest.approx(20.0, abs=1e-4)
