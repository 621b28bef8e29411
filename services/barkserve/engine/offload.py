"""Moves a model's memory between its device and the host. Knows torch; knows no model.

Works on storages, below tensors: every view of one (a head's rows of a weight, an LSTM's parts of
its flat buffer) is right again when its storage is. What comes back has other addresses, so
captured graphs are forgotten and captured anew when they are next wanted.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, UntypedStorage


class Offload:
    """A model's place on its device, see residence.Place.

    Args:
        weights: what must be as it was; they never change, so they are copied to the host once.
        scratch: what nobody needs while the model is away, the key/value cache for instance; it
            comes back as zeros.
        forget: drops whatever else holds the device's memory, or addresses in it; None: nothing
            does.
    """

    def __init__(
        self,
        weights: Iterable[Tensor],
        scratch: Iterable[Tensor] = (),
        forget: Callable[[], None] | None = None,
    ) -> None:
        storages = {each.untyped_storage().data_ptr(): each.untyped_storage() for each in weights}
        self._weights = [storage for storage in storages.values() if storage.nbytes()]
        self._scratch = [(each, each.untyped_storage().nbytes()) for each in scratch]
        self._forget = forget
        self._device = self._weights[0].device
        self._host: list[UntypedStorage] = []

    def offload(self) -> int:
        """Give the memory back; returns how many bytes."""
        if not self._host:
            self._host = [_host_copy(storage) for storage in self._weights]
        before = self._held
        if self._forget is not None:
            self._forget()
        self._drop()
        return before - self._held

    def reload(self) -> None:
        """Take the memory again. Raises what torch raises when there is too little."""
        try:
            for storage, host in zip(self._weights, self._host, strict=True):
                storage.resize_(host.nbytes())
                storage.copy_(host, non_blocking=True)
            for tensor, size in self._scratch:
                tensor.untyped_storage().resize_(size)
                tensor.zero_()  # what lay there before could be no number at all
            self._settle()
        except Exception:
            self._drop()
            raise

    def _drop(self) -> None:
        self._settle()
        for storage in (*self._weights, *(each.untyped_storage() for each, _ in self._scratch)):
            storage.resize_(0)
        if self._device.type == "cuda":
            torch._C._cuda_clearCublasWorkspaces()  # up to 32 MB for each stream that was used
            torch.cuda.empty_cache()

    def _settle(self) -> None:
        """Wait for what the device was asked to do with this memory."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    @property
    def _held(self) -> int:
        """Bytes that this process keeps from others."""
        if self._device.type == "cuda":
            return torch.cuda.memory_reserved(self._device)
        scratch = sum(each.untyped_storage().nbytes() for each, _ in self._scratch)
        return scratch + sum(storage.nbytes() for storage in self._weights)


def _host_copy(storage: UntypedStorage) -> UntypedStorage:
    """Pinned for a GPU, which then reads it several times as fast."""
    pinned = storage.device.type == "cuda"
    host = torch.empty(storage.nbytes(), dtype=torch.uint8, pin_memory=pinned).untyped_storage()
    host.copy_(storage)
    return host
