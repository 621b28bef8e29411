"""The type of what gRPC hands to a servicer beside the request."""

from typing import Any

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
