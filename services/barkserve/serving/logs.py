"""The log of a service: one line for each record, with the ids of the request it belongs to.

A record's `fields`, given as `extra={"fields": {...}}`, are numbers and names that its message
leaves out.
"""

import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from barkserve.config.telemetry import TelemetryOptions
from barkserve.request_id import current_request_id, current_trace_id


def set_up_logging(service: str, options: TelemetryOptions, level: str) -> None:
    """Send the log of this process to standard error.

    Args:
        service: the name of the service.
        options: the format.
        level: the lowest level that is shown.
    """
    handler = logging.StreamHandler()
    is_json = chosen_format(options.log_format, sys.stderr) == "json"
    handler.setFormatter(_JsonLines(service) if is_json else _TextLines(service))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def chosen_format(log_format: str, stream: TextIO) -> str:
    """The value of --log-format, where auto is text on a terminal and json elsewhere."""
    if log_format != "auto":
        return log_format
    return "text" if stream.isatty() else "json"


def _ids() -> dict[str, str]:
    """The ids of the request that this code runs for."""
    ids = {"request_id": current_request_id(), "trace_id": current_trace_id()}
    return {name: value for name, value in ids.items() if value}


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return fields


class _TextLines(logging.Formatter):
    """A line of text: time, service, level, ids, message and fields."""

    def __init__(self, service: str) -> None:
        words = f"%(asctime)s {service} %(levelname)s %(ids)s%(message)s%(shown_fields)s"
        super().__init__(words)

    def format(self, record: logging.LogRecord) -> str:
        """The line, and those of a traceback."""
        shown = (f" {name}={_word(value)}" for name, value in _fields(record).items())
        record.ids = "".join(f"{name}={value} " for name, value in _ids().items())
        record.shown_fields = "".join(shown)
        return super().format(record)


def _word(value: object) -> str:
    """A value without spaces, unless it is a text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _JsonLines(logging.Formatter):
    """A JSON object on each line."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """The object on one line."""
        fields = {
            "time": self.formatTime(record),
            "service": self._service,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_ids(),
            **_fields(record),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)
