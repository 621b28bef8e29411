"""KEDA's side of its external scaler contract: messages made from the numbers that KEDA publishes
(externalscaler.proto), in a descriptor pool of their own, sharing no generated code with us."""

from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Field = descriptor_pb2.FieldDescriptorProto
KINDS = {"string": 9, "bool": 8, "int64": 3, "double": 1}
MESSAGES = {
    "ScaledObjectRef": [
        ("name", 1, "string"), ("namespace", 2, "string"), ("scalerMetadata", 3, "map"),
    ],
    "IsActiveResponse": [("result", 1, "bool")],
    "GetMetricSpecResponse": [("metricSpecs", 1, "*MetricSpec")],
    "MetricSpec": [
        ("metricName", 1, "string"), ("targetSize", 2, "int64"), ("targetSizeFloat", 3, "double"),
    ],
    "GetMetricsRequest": [("scaledObjectRef", 1, "ScaledObjectRef"), ("metricName", 2, "string")],
    "GetMetricsResponse": [("metricValues", 1, "*MetricValue")],
    "MetricValue": [
        ("metricName", 1, "string"), ("metricValue", 2, "int64"), ("metricValueFloat", 3, "double"),
    ],
}  # fmt: skip


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="externalscaler.proto", package="externalscaler", syntax="proto3"
    )
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            field = message.field.add(name=field_name, number=number, label=Field.LABEL_OPTIONAL)
            if kind in KINDS:
                field.type = KINDS[kind]
                continue
            field.type = Field.TYPE_MESSAGE
            if kind == "map" or kind.startswith("*"):
                field.label = Field.LABEL_REPEATED
            if kind == "map":
                kind = f"{name}.ScalerMetadataEntry"
                entry = message.nested_type.add(name="ScalerMetadataEntry")
                entry.options.map_entry = True
                for index, key in enumerate(("key", "value"), 1):
                    entry.field.add(name=key, number=index, label=1, type=9)
            field.type_name = f".externalscaler.{kind.lstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"externalscaler.{name}"))
        for name in MESSAGES
    }


class Keda:
    """What KEDA asks about one ScaledObject."""

    def __init__(self, channel: grpc.aio.Channel, stage: str) -> None:
        self._channel = channel
        self._messages = _messages()
        self._reference = self._messages["ScaledObjectRef"](
            name="bark", namespace="speech", scalerMetadata={"stage": stage}
        )

    async def is_active(self) -> bool:
        answer = await self._unary("IsActive", self._reference, "IsActiveResponse")
        return bool(answer.result)

    def active(self) -> Any:
        """The pushed answers."""
        return self._stream("StreamIsActive", "IsActiveResponse")

    async def target(self) -> tuple[str, float]:
        """The metric's name and how much of it one replica carries."""
        answer = await self._unary("GetMetricSpec", self._reference, "GetMetricSpecResponse")
        (spec,) = answer.metricSpecs
        return spec.metricName, spec.targetSizeFloat

    def targets(self) -> Any:
        """The pushed specs."""
        return self._stream("StreamMetricSpec", "GetMetricSpecResponse")

    async def value(self, metric: str) -> float:
        """The metric now."""
        request = self._messages["GetMetricsRequest"](
            scaledObjectRef=self._reference, metricName=metric
        )
        answer = await self._unary("GetMetrics", request, "GetMetricsResponse")
        (value,) = answer.metricValues
        assert value.metricName == metric
        return float(value.metricValueFloat)

    async def _unary(self, method: str, request: Any, answer: str) -> Any:
        return await self._channel.unary_unary(
            f"/externalscaler.ExternalScaler/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=self._messages[answer].FromString,
        )(request)

    def _stream(self, method: str, answer: str) -> Any:
        return self._channel.unary_stream(
            f"/externalscaler.ExternalScaler/{method}",
            request_serializer=type(self._reference).SerializeToString,
            response_deserializer=self._messages[answer].FromString,
        )(self._reference)
