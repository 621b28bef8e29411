"""Tasks that read ahead for readers that may go away."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def create_pull_task(pull: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
    """Start a task whose failure is raised to its readers and is not logged if there are none.

    asyncio logs "Task exception was never retrieved" otherwise, for instance when a cancelled
    stream's stage fails while it is being closed.
    """
    task = asyncio.create_task(pull)
    task.add_done_callback(_retrieve_exception)
    return task


def _retrieve_exception(task: "asyncio.Task[Result]") -> None:
    if not task.cancelled():
        task.exception()
