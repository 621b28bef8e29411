"""Counts what the host asks a device to do. The CPU stands in for the device."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from barkserve.engine.graphs import Out

_NO_LAUNCH = {
    "view", "slice", "select", "as_strided", "alias", "detach", "expand", "t", "unbind",
    "lift_fresh", "resolve_conj", "resolve_neg",
}  # fmt: skip
_READS = {"item", "is_nonzero", "_local_scalar_dense", "equal", "nonzero", "masked_select"}
_INDEXING = {"index", "index_put"}  # by a boolean mask, the host must know how many there are


class HostWork(TorchDispatchMode):
    """Counts the operations of a block, without views, which launch nothing.

    Attributes:
        launches: operations that run on the device.
        reads: operations that must wait for the device, such as item() or a boolean index.
    """

    def __init__(self) -> None:
        super().__init__()
        self.launches = Counter[str]()
        self.reads = Counter[str]()

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        name = function._schema.name.removeprefix("aten::")
        if name in _READS or (name.rstrip("_") in _INDEXING and _has_mask(arguments[1])):
            self.reads[name] += 1
        elif name not in _NO_LAUNCH:
            self.launches[name] += 1
        return function(*arguments, **(keywords or {}))


def _has_mask(indices: Sequence[Any]) -> bool:
    return any(each is not None and each.dtype is torch.bool for each in indices)


class CountingCapture:
    """A fake capture: a replay is one launch, whatever it contains.

    Attributes:
        replays: number of replays.
        reads: operations inside of graphs that would wait for the device. CUDA refuses to capture
            them.
    """

    def __init__(self) -> None:
        self.replays = 0
        self.reads = Counter[str]()

    def __call__(self, forward: Callable[[], Out]) -> Callable[[], Out]:
        with HostWork() as work:
            forward()
        self.reads += work.reads

        def replay() -> Out:
            self.replays += 1
            with _disable_current_modes():
                return forward()

        return replay


def host_work_of(run: Callable[[], object]) -> HostWork:
    """Count the work of a call."""
    with HostWork() as work, torch.inference_mode():
        run()
    return work
