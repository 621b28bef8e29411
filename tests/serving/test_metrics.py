"""The Prometheus metrics of the services: the catalog, the page, and what is exported."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from barkserve.building import gateway
from barkserve.building.stage_metrics import watch_gpu
from barkserve.config.gateway import GatewayOptions
from barkserve.errors import InvalidArgument, Overloaded
from barkserve.serving.metric_catalog import CATALOG
from barkserve.serving.metrics import Metrics
from barkserve.v1 import speech_pb2, speech_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.services import running, running_chain
from tools.metrics_table import PAGE, table, with_table

Folder = Callable[[CheckpointSpec], Path]


class FakeNvml:
    """A machine with one GPU."""

    NVMLError = RuntimeError
    used, total, gpu = 3 << 30, 80 << 30, 37

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid != "GPU-1":
            raise self.NVMLError("Not Found")
        return uuid

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> "FakeNvml":
        return self

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> "FakeNvml":
        return self


def exported(registry: CollectorRegistry) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The name, type and labels of each metric that a service exports."""
    for family in registry.collect():
        if not family.name.startswith("process_"):
            labels = {name for sample in family.samples for name in sample.labels} - {"le"}
            yield family.name, family.type, tuple(sorted(labels))


def test_page_lists_every_metric() -> None:
    page = PAGE.read_text()
    assert table() in page
    assert with_table(page) == page, "run python -m tools.metrics_table"


def test_names_follow_the_conventions() -> None:
    for spec in CATALOG.values():
        assert not spec.name.endswith(("_total", "_ms", "_milliseconds", "_percent")), spec.name
        assert bool(spec.buckets) == (spec.kind == "histogram"), spec.name
        assert list(spec.buckets) == sorted(set(spec.buckets)), spec.name


async def test_services_export_the_metrics_of_the_catalog(checkpoint_of: Folder) -> None:
    """Names, types and labels. Metrics without a condition are there before they are needed."""
    checkpoint = checkpoint_of(TINY)
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(running_chain(checkpoint))
        call = chain.speech.Synthesize(speech_pb2.SynthesizeRequest(text="hello", seed=1))
        assert [response async for response in call]
        addresses = {name: service.address for name, service in chain.services.items()}
        autoscaler = await stack.enter_async_context(running("autoscaler", checkpoint, **addresses))
        services = {**chain.services, "autoscaler": autoscaler}
        registries = {name: each.metrics.registry for name, each in services.items()}
        own = Metrics("gateway")
        gateway.build(GatewayOptions(), own)
        registries["gateway"] = own.registry
        found = {name: list(exported(registry)) for name, registry in registries.items()}
    for service, families in found.items():
        for name, kind, labels in families:
            spec = CATALOG[name]
            assert service in spec.services, (service, name)
            assert kind == spec.kind, name
            assert labels in ((), tuple(sorted(("stage", *spec.labels)))), name
        names = {name for name, _, _ in families}
        expected = {name for name, spec in CATALOG.items() if service in spec.services}
        assert [name for name in expected - names if not CATALOG[name].condition] == []


async def test_speech_metrics_describe_a_stream(checkpoint_of: Folder) -> None:
    async with running_chain(checkpoint_of(TINY)) as chain:
        call = chain.speech.Synthesize(speech_pb2.SynthesizeRequest(text="hello", seed=1))
        responses = [response async for response in call]
        orchestrator, coarse = chain.services["orchestrator"], chain.services["coarse"]
    sent = sum(response.HasField("audio") for response in responses)
    own = {"stage": "orchestrator"}
    assert orchestrator.metric("barkserve_audio_ttfp_seconds_count", **own) == 1
    assert orchestrator.metric("barkserve_audio_underrun_seconds_count", **own) == 1
    assert orchestrator.metric("barkserve_audio_ahead_seconds_count", **own) == sent - 1
    assert orchestrator.metric("barkserve_audio_rtf_sum", **own) > 0
    ended = {
        "gen_ai_operation_name": "text_to_speech",
        "gen_ai_request_model": responses[0].started.model,
        "error_type": "",
    }
    assert orchestrator.metric("gen_ai_server_request_duration_seconds_count", **own, **ended) == 1
    steps = coarse.metric("barkserve_step_seconds_count", stage="coarse")
    bursts = coarse.metric("barkserve_batch_seconds_count", stage="coarse", kind="burst")
    assert steps == bursts > 0
    assert coarse.metric("barkserve_batch_size_sum", stage="coarse", kind="burst") >= bursts


def test_refusals_are_counted_by_reason() -> None:
    metrics = Metrics("orchestrator")
    metrics.refused(Overloaded("full", 1.0, "ramp"))
    metrics.refused(InvalidArgument("text", "is wrong"))
    read = metrics.registry.get_sample_value
    name, labels = "barkserve_admission_refusals_total", {"stage": "orchestrator"}
    assert read(name, {**labels, "reason": "ramp"}) == 1


async def test_refused_context_is_counted_once(checkpoint_of: Folder) -> None:
    async def requests() -> AsyncIterator[speech_pb2.StreamingSynthesizeRequest]:
        for id_ in "ab":
            config = speech_pb2.StreamingConfig()
            yield speech_pb2.StreamingSynthesizeRequest(context_id=id_, config=config)

    async with running("orchestrator", checkpoint_of(TINY), max_contexts=1) as service:
        call = speech_pb2_grpc.SpeechServiceStub(service.channel).StreamingSynthesize(requests())
        async for response in call:
            if response.context_id == "b":
                assert response.HasField("error")
                break
        call.cancel()
        labels = {"stage": "orchestrator", "reason": "max_contexts"}
        assert service.metric("barkserve_admission_refusals_total", **labels) == 1


def test_gpu_is_measured_by_its_id() -> None:
    metrics = Metrics("coarse")
    watch_gpu(metrics, "GPU-2", FakeNvml())
    watch_gpu(metrics, "GPU-1", FakeNvml())
    read = metrics.registry.get_sample_value
    labels = {"stage": "coarse", "gpu": "GPU-1"}
    assert read("barkserve_gpu_memory_used_bytes", labels) == 3 << 30
    assert read("barkserve_gpu_memory_total_bytes", labels) == 80 << 30
    assert read("barkserve_gpu_utilization_ratio", labels) == pytest.approx(0.37)
    assert read("barkserve_gpu_utilization_ratio", {**labels, "gpu": "GPU-2"}) is None


def test_histogram_has_the_sampled_trace_as_exemplar() -> None:
    metrics = Metrics("orchestrator")
    metrics.first_output(0.02)
    context = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    with use_span(NonRecordingSpan(context)):
        metrics.first_output(0.07)
    page = generate_latest(metrics.registry).decode()
    (line,) = (line for line in page.splitlines() if "trace_id" in line)
    assert line.startswith(
        'barkserve_first_output_seconds_bucket{le="0.1",stage="orchestrator"} 2.0 #'
    )
    assert f'trace_id="{0xABC:032x}"' in line
    assert f'span_id="{0xDEF:016x}"' in line


def test_streams_metric_is_zero_before_the_first_stream() -> None:
    registry = Metrics("coarse").registry
    assert registry.get_sample_value("barkserve_streams", {"stage": "coarse"}) == 0.0


def test_watchdog_trips_add_up_over_restarts() -> None:
    metrics = Metrics("coarse", watchdog_trips=2)
    metrics.watchdog_tripped()
    read = metrics.registry.get_sample_value
    assert read("barkserve_watchdog_trips_total", {"stage": "coarse"}) == 3
