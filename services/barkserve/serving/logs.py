"""The log of a service: one line for each record, with the id of the request it belongs to."""

import json
import logging
import time

from barkserve.config.process import ProcessOptions
from barkserve.request_id import current_request_id


def set_up_logging(service: str, options: ProcessOptions) -> None:
    """Send the log of this process to standard error.

    Args:
        service: the name of the service.
        options: the lowest level and the format.
    """
    handler = logging.StreamHandler()
    if options.log_format == "json":
        handler.setFormatter(_JsonLines(service))
    else:
        handler.addFilter(_add_request_word)
        line = f"%(asctime)s {service} %(levelname)s %(request_word)s%(message)s"
        handler.setFormatter(logging.Formatter(line))
    logging.basicConfig(level=options.log_level.upper(), handlers=[handler])


def _add_request_word(record: logging.LogRecord) -> bool:
    """A filter that passes every record, with the word that names its request."""
    request_id = current_request_id()
    record.request_word = f"request_id={request_id} " if request_id else ""
    return True


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
        }
        if request_id := current_request_id():
            fields["request_id"] = request_id
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)
