"""Capabilities of devices that this machine may lack, from a fake runtime."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from barkserve.errors import StartupError
from barkserve.models.attention import backend
from barkserve.models.attention.backend import choose_backend
from barkserve.models.device import DeviceCapabilities, TorchRuntime
from barkserve.models.loading import Placement

SERVICES = Path(__file__).parents[2] / "services" / "barkserve"


@dataclass
class FakeRuntime:
    """A machine with some devices."""

    cuda: int = 0
    mps: int = 0
    version: tuple[int, int] = (9, 0)
    is_rocm: bool = False

    def count(self, kind: str) -> int:
        return {"cuda": self.cuda, "mps": self.mps}.get(kind, 0)

    def compute_capability(self, device: torch.device) -> tuple[int, int]:
        assert not self.is_rocm  # AMD's numbers are not NVIDIA's
        return self.version

    def card(self, device: torch.device) -> str:
        return "NVIDIA H100 80GB HBM3"


HOPPER, AMPERE = FakeRuntime(cuda=2), FakeRuntime(cuda=1, version=(8, 0))
TURING, PASCAL = FakeRuntime(cuda=1, version=(7, 5)), FakeRuntime(cuda=1, version=(6, 1))
ROCM, APPLE = FakeRuntime(cuda=1, is_rocm=True), FakeRuntime(mps=1)


def on(device: str, runtime: FakeRuntime) -> DeviceCapabilities:
    return DeviceCapabilities.parse(device, runtime)


@pytest.mark.parametrize(
    ("device", "runtime", "dtype", "attention_with_flash", "attention_without"),
    [
        ("cuda:1", HOPPER, torch.float16, "flash", "triton"),
        ("cuda", AMPERE, torch.float16, "flash", "triton"),
        ("cuda", TURING, torch.float16, "sdpa", "sdpa"),
        ("cuda", PASCAL, torch.float32, "sdpa", "sdpa"),
        ("cuda", ROCM, torch.float16, "flash", "sdpa"),
        ("mps", APPLE, torch.float32, "sdpa", "sdpa"),
        ("cpu", HOPPER, torch.float32, "sdpa", "sdpa"),
    ],
)
def test_auto_chooses_what_a_device_does_fastest(
    device: str,
    runtime: FakeRuntime,
    dtype: torch.dtype,
    attention_with_flash: str,
    attention_without: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backend, "find_spec", lambda name: object())  # flash-attn is installed
    monkeypatch.setattr(backend, "triton_problem", lambda: None)
    placement = Placement.on(on(device, runtime), "auto", "auto")
    assert placement.device == torch.device(device)
    assert placement.dtype is dtype
    assert placement.attention == attention_with_flash
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    assert Placement.on(on(device, runtime), "auto", "auto").attention == attention_without


def test_auto_attention_needs_an_installed_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    monkeypatch.setattr(backend, "triton_problem", lambda: "no C compiler")
    assert choose_backend("auto", on("cuda", HOPPER), torch.float16) == "sdpa"
    assert choose_backend("eager", on("cuda", HOPPER), torch.float16) == "eager"


def test_auto_attention_takes_flash_only_in_16_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "find_spec", lambda name: object())
    monkeypatch.setattr(backend, "triton_problem", lambda: None)
    chosen = [
        choose_backend("auto", on("cuda", HOPPER), dtype)
        for dtype in (torch.bfloat16, torch.float16, torch.float32)
    ]
    assert chosen == ["flash", "flash", "triton"]


@pytest.mark.parametrize(("device", "runtime"), [("cuda", HOPPER), ("cuda", ROCM)])
def test_cuda_and_rocm_have_graphs_and_own_memory(device: str, runtime: FakeRuntime) -> None:
    found = on(device, runtime)
    assert found.captures_graphs
    assert found.pins_memory
    assert found.has_own_memory
    assert not found.is_host


def test_apple_gpu_works_without_what_only_cuda_has() -> None:
    found = on("mps", APPLE)
    assert found == DeviceCapabilities(torch.device("mps"))
    assert found.free_bytes() is None  # its memory is the host's
    assert found.reserved_bytes() is None
    found.release_cached_memory()


@pytest.mark.parametrize(
    ("device", "runtime", "message"),
    [
        ("gpu", HOPPER, r"--device: 'gpu' is not cpu, cuda, cuda:N or mps"),
        ("cuda", APPLE, r"--device cuda: torch sees no CUDA device here; use --device cpu, or"),
        ("mps", HOPPER, r"--device mps: torch sees no MPS device here"),
        ("cuda:2", HOPPER, r"--device cuda:2: torch sees 2 CUDA devices"),
        ("vulkan", HOPPER, r"--device vulkan: torch sees no VULKAN device"),
    ],
)
def test_missing_device_error_names_the_option(
    device: str, runtime: FakeRuntime, message: str
) -> None:
    with pytest.raises(StartupError, match=message):
        on(device, runtime)


def test_torch_runtime_counts_the_devices_of_this_machine() -> None:
    runtime = TorchRuntime()
    assert runtime.count("cpu") == 1
    assert runtime.count("vulkan") == 0
    assert runtime.count("cuda") == torch.cuda.device_count()
    assert runtime.is_rocm == (torch.version.hip is not None)


def test_cpu_needs_no_synchronization_and_frees_nothing() -> None:
    found = DeviceCapabilities.parse("cpu")
    assert found.is_host
    found.synchronize()
    assert (found.free_bytes(), found.reserved_bytes()) == (None, None)


def test_only_this_module_asks_for_the_name_of_a_device() -> None:
    """Names decide nothing elsewhere, so a new kind of device needs one change."""
    asks = re.compile(r"""\.type\s*(==|!=)\s*["'](cuda|mps)|startswith\(["']cuda""")
    found = {
        str(path.relative_to(SERVICES))
        for path in SERVICES.rglob("*.py")
        if asks.search(path.read_text())
    }
    assert found == {"models/device.py", *WITHOUT_TORCH}


WITHOUT_TORCH = {"config/model.py", "doctor/device.py", "up/mps.py"}
"""They know no more than the option's text."""
