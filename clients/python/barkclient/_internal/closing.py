"""What `with` closes."""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Has an end that `with` brings about."""

    @abstractmethod
    def close(self) -> None:
        """End it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class AsyncClosing(ABC):
    """The same for `async with`."""

    @abstractmethod
    async def aclose(self) -> None:
        """End it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()
