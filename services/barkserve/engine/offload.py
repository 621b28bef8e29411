"""Moves the memory of a model between its device and the host.

Works on storages, below tensors. A view (a head's rows of a weight, the parts of an LSTM's flat
buffer) is valid again when its storage is. Storages get new addresses, so captured graphs are
dropped and captured again at their next use.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, UntypedStorage

from barkserve.models.device import DeviceCapabilities


class Offload:
    """The device memory of a model, see device_residency.Offloadable.

    Args:
        weights: restored by reload(). They never change, so they are copied to the host once.
        scratch: not restored, for example the key/value cache; reload() fills it with zeros.
        before_offload: drops everything else that holds device memory or addresses in it.
    """

    def __init__(
        self,
        weights: Iterable[Tensor],
        scratch: Iterable[Tensor] = (),
        before_offload: Callable[[], None] | None = None,
    ) -> None:
        storages = {each.untyped_storage().data_ptr(): each.untyped_storage() for each in weights}
        self._weights = [storage for storage in storages.values() if storage.nbytes()]
        self._scratch = [(each, each.untyped_storage().nbytes()) for each in scratch]
        self._before_offload = before_offload
        self._device = DeviceCapabilities.of(self._weights[0].device)
        self._host: list[UntypedStorage] = []

    def offload(self) -> int:
        """Free the device memory. Returns the number of bytes freed."""
        if not self._host:
            pinned = self._device.pins_memory
            self._host = [_host_copy(storage, pinned) for storage in self._weights]
        before = self._reserved_bytes
        if self._before_offload is not None:
            self._before_offload()
        self._free()
        return before - self._reserved_bytes

    def reload(self) -> None:
        """Allocate the memory again. Raises torch's error if there is too little."""
        try:
            for storage, host in zip(self._weights, self._host, strict=True):
                storage.resize_(host.nbytes())
                storage.copy_(host, non_blocking=True)
            for tensor, size in self._scratch:
                tensor.untyped_storage().resize_(size)
                tensor.zero_()  # uninitialized memory can contain NaN
            self._device.synchronize()
        except Exception:
            self._free()
            raise

    def _free(self) -> None:
        self._device.synchronize()  # work on the device may use this memory
        for storage in (*self._weights, *(each.untyped_storage() for each, _ in self._scratch)):
            storage.resize_(0)
        self._device.release_cached_memory()

    @property
    def _reserved_bytes(self) -> int:
        """Device memory that other processes cannot use."""
        reserved = self._device.reserved_bytes()
        if reserved is not None:
            return reserved
        scratch = sum(each.untyped_storage().nbytes() for each, _ in self._scratch)
        return scratch + sum(storage.nbytes() for storage in self._weights)


def _host_copy(storage: UntypedStorage, pinned: bool) -> UntypedStorage:
    """Copy a storage to the host; pinned memory is reloaded several times faster."""
    host = torch.empty(storage.nbytes(), dtype=torch.uint8, pin_memory=pinned).untyped_storage()
    host.copy_(storage)
    return host
