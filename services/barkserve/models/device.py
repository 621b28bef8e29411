"""What a device can do. The rest of the code asks here, and never for the name of a device.

CUDA and ROCm builds of torch both call their devices "cuda". Apple's GPUs are called "mps".
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from barkserve.errors import StartupError

_FAST_FLOAT16 = (7, 0)  # tensor cores; before them float16 is as slow as float32 or slower
_FLASH_ATTENTION = (8, 0)  # flash-attn 2 needs Ampere
_TRITON = (8, 0)  # the kernels are compiled for Ampere and later
_DEPENDENT_LAUNCH = (9, 0)  # new in Hopper


class DeviceRuntime(Protocol):
    """What torch says about the devices of this machine."""

    def count(self, kind: str) -> int:
        """Number of devices of a kind that torch can use."""

    def compute_capability(self, device: torch.device) -> tuple[int, int]:
        """NVIDIA's version of the device's instructions."""

    def card(self, device: torch.device) -> str:
        """The product name of a device called "cuda"."""

    @property
    def is_rocm(self) -> bool:
        """Whether devices called "cuda" are AMD's."""


class TorchRuntime:
    """This build of torch."""

    def count(self, kind: str) -> int:
        """Number of devices of a kind that torch can use; 0 if torch does not know the kind."""
        try:
            module = torch.get_device_module(kind)
        except RuntimeError:
            return 0
        return int(module.device_count())

    def compute_capability(self, device: torch.device) -> tuple[int, int]:
        """NVIDIA's version of the device's instructions."""
        return torch.cuda.get_device_capability(device)

    def card(self, device: torch.device) -> str:
        """The product name of a device called "cuda"."""
        return torch.cuda.get_device_name(device)

    @property
    def is_rocm(self) -> bool:
        """Whether devices called "cuda" are AMD's."""
        return torch.version.hip is not None


@dataclass(frozen=True)
class DeviceCapabilities:
    """The capabilities of one device.

    Attributes:
        device: the device.
        is_host: it is the CPU. Work is done when a call returns, and few rows fill it.
        captures_graphs: its work can be captured once and replayed with one launch.
        pins_memory: copies from pinned memory run while the host goes on.
        has_own_memory: its memory is not the host's, so an offload frees something.
        fast_float16: float16 is its fastest dtype.
        runs_flash: flash-attn has kernels for it.
        runs_triton: this project's Triton kernels run on it.
        launches_dependents: a kernel can start while the one before it still runs.
        card: its product name, such as "NVIDIA H200"; empty: unknown.
    """

    device: torch.device
    is_host: bool = False
    captures_graphs: bool = False
    pins_memory: bool = False
    has_own_memory: bool = False
    fast_float16: bool = False
    runs_flash: bool = False
    runs_triton: bool = False
    launches_dependents: bool = False
    card: str = ""

    @classmethod
    def of(cls, device: torch.device, runtime: DeviceRuntime | None = None) -> "DeviceCapabilities":
        """Find out what a device can do. A device of an unknown kind gets no special treatment."""
        runtime = runtime or TorchRuntime()
        if device.type != "cuda":
            return cls(device, is_host=device.type == "cpu")
        version = (0, 0) if runtime.is_rocm else runtime.compute_capability(device)
        return cls(
            device,
            captures_graphs=True,
            pins_memory=True,
            has_own_memory=True,
            fast_float16=runtime.is_rocm or version >= _FAST_FLOAT16,
            runs_flash=runtime.is_rocm or version >= _FLASH_ATTENTION,
            runs_triton=version >= _TRITON,
            launches_dependents=version >= _DEPENDENT_LAUNCH,
            card=runtime.card(device),
        )

    @classmethod
    def parse(cls, text: str, runtime: DeviceRuntime | None = None) -> "DeviceCapabilities":
        """Parse a value of --device.

        Raises:
            StartupError: this machine or this build of torch lacks the device.
        """
        runtime = runtime or TorchRuntime()
        try:
            device = torch.device(text)
        except RuntimeError as error:
            raise StartupError(f"--device: {text!r} is not cpu, cuda, cuda:N or mps") from error
        if device.type in ("cpu", "meta"):
            return cls.of(device, runtime)
        count = runtime.count(device.type)
        if not count:
            raise StartupError(
                f"--device {text}: torch sees no {device.type.upper()} device here; use --device "
                f"cpu, or a build of torch for {device.type.upper()}"
            )
        if (device.index or 0) >= count:
            raise StartupError(
                f"--device {text}: torch sees {count} {device.type.upper()} devices; their numbers "
                "begin with 0"
            )
        return cls.of(device, runtime)

    def upload(self, array: NDArray[Any]) -> Tensor:
        """Copy an array to the device, without waiting for earlier work if memory can be pinned."""
        tensor = torch.from_numpy(array)
        if self.pins_memory:
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def synchronize(self) -> None:
        """Wait for all work on the device. Raises torch's error if the device is lost."""
        if not self.is_host:
            torch.accelerator.synchronize(self.device)

    def free_bytes(self) -> int | None:
        """Memory that this process can still allocate on the device; None: unknown."""
        if not self.has_own_memory:
            return None
        return torch.cuda.mem_get_info(self.device)[0]

    def reserved_bytes(self) -> int | None:
        """Device memory that torch keeps from other processes; None: unknown."""
        if not self.has_own_memory:
            return None
        return torch.cuda.memory_reserved(self.device)

    def release_cached_memory(self) -> None:
        """Give memory that torch keeps for later back to the device."""
        if self.has_own_memory:
            torch._C._cuda_clearCublasWorkspaces()  # up to 32 MB per stream
            torch.cuda.empty_cache()
