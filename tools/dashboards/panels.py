"""What the dashboards show: titles, queries and units. docs/metrics.md explains the metrics."""

from dataclasses import dataclass, field

IN = 'namespace=~"$namespace"'
ORCHESTRATOR = f'{IN},stage="orchestrator"'
STAGE = f'{IN},stage="$stage"'
RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: its heading.
        unit: Grafana's name of the unit.
        queries: PromQL to legend.
        description: what the values mean, and what to do about bad ones.
        is_number: whether it shows the last value instead of a curve.
    """

    title: str
    unit: str
    queries: dict[str, str]
    description: str = ""
    is_number: bool = False


@dataclass(frozen=True)
class Board:
    """One dashboard.

    Attributes:
        title: its name.
        rows: heading to panels.
        by_stage: whether it shows one service at a time.
    """

    title: str
    rows: dict[str, list[Panel]] = field(default_factory=dict)
    by_stage: bool = False


def quantiles(metric: str, labels: str, by: str = "") -> dict[str, str]:
    """The 50th, 95th and 99th percentile of a histogram.

    Args:
        metric: its name without "_bucket".
        labels: a selector.
        by: one label to keep; empty for none.
    """
    kept, legend = (f"{by}, le", f"{{{{{by}}}}} ") if by else ("le", "")
    rate = f"sum by ({kept}) (rate({metric}_bucket{{{labels}}}{RATE}))"
    return {
        f"histogram_quantile({share / 100:g}, {rate})": f"{legend}p{share}"
        for share in (50, 95, 99)
    }


def mean(metric: str, labels: str, by: str) -> dict[str, str]:
    """The mean of a histogram, by one label."""
    total, count = (
        f"sum by ({by}) (rate({metric}_{part}{{{labels}}}{RATE}))" for part in ("sum", "count")
    )
    return {f"{total} / {count}": f"{{{{{by}}}}}"}


def of_process(metric: str) -> str:
    """The values of a metric of the processes of $stage. Such metrics have no label `stage`."""
    info = f"on (namespace, pod, instance) group_left (stage) barkserve_build_info{{{STAGE}}}"
    return f"sum by (instance) ({metric} * {info})"


_REFUSALS = Panel(
    "Refusals by reason", "reqps",
    {
        f"sum by (reason) (rate(barkserve_admission_refusals_total{{{ORCHESTRATOR}}}{RATE}))"
        " or vector(0)": "{{reason}}",
    },
)  # fmt: skip

_SUMMARY = [
    Panel(
        "Streams", "short", {f"sum(barkserve_streams{{{ORCHESTRATOR}}})": ""},
        "Texts and contexts spoken now.", is_number=True,
    ),
    Panel(
        "First audio, p95", "s", {f"max(barkserve:audio_ttfp_seconds:p95{{{IN}}})": ""},
        "Alert BarkserveFirstAudioSlow: above 2 s.", is_number=True,
    ),
    Panel(
        "C100", "percentunit", {f"min(barkserve:audio_continuity:ratio{{{IN}}})": ""},
        "Share of streams with at most 100 ms of silence. Alert BarkserveUnderruns: below 95%.",
        is_number=True,
    ),
    Panel(
        "Refused", "percentunit",
        {f"sum(barkserve:requests:refused_ratio{{{ORCHESTRATOR}}}) or vector(0)": ""},
        "Alert BarkserveRequestsRefused: above 5%.", is_number=True,
    ),
    Panel(
        "Failed", "percentunit",
        {f"max(barkserve:requests:failed_ratio{{{IN}}}) or vector(0)": ""},
        "The worst service. Alert BarkserveRequestsFail: above 1%.", is_number=True,
    ),
    Panel(
        "Versions", "short",
        {f"count by (version) (barkserve_build_info{{{IN}}})": "{{version}}"},
        "Processes of each version.", is_number=True,
    ),
]  # fmt: skip

OVERVIEW = Board(
    "barkserve / overview",
    {
        "Now": _SUMMARY,
        "What callers hear": [
            Panel("Time to first audio", "s", quantiles("barkserve_audio_ttfp_seconds", IN)),
            Panel(
                "Silence of a player", "s", quantiles("barkserve_audio_underrun_seconds", IN),
                "The buffer that a finished stream's player would have needed.",
            ),
            Panel(
                "Real-time factor", "none", quantiles("barkserve_audio_rtf", IN),
                "Seconds until the last audio per second of audio; below 1 is real time.",
            ),
            Panel(
                "Audio ahead of playback", "s", quantiles("barkserve_audio_ahead_seconds", IN),
                "What the player still has when an audio message is sent.",
            ),
        ],
        "Traffic": [
            Panel(
                "RPCs by outcome", "reqps",
                {f"sum by (outcome) (rate(barkserve_requests_total{{{ORCHESTRATOR}}}{RATE}))":
                 "{{outcome}}"},
            ),
            Panel(
                "Streams and capacity", "short",
                {
                    f"sum(barkserve_streams{{{ORCHESTRATOR}}})": "running",
                    f"sum(barkserve_streams_waiting{{{ORCHESTRATOR}}})": "waiting",
                    f"max(barkserve_capacity_streams{{{ORCHESTRATOR}}})": "served in real time",
                },
            ),
            _REFUSALS,
            Panel(
                "Request duration", "s",
                quantiles("gen_ai_server_request_duration_seconds", IN),
                "From a stream's first text to its end.",
            ),
        ],
        "Faults": [
            Panel(
                "Streams moved to another replica", "reqps",
                {f"sum by (callee, reason) (rate(barkserve_failovers_total{{{IN}}}{RATE}))"
                 " or vector(0)": "{{callee}} {{reason}}"},
            ),
            Panel(
                "Watchdog trips and resumed streams", "short",
                {
                    f"sum by (stage) (increase(barkserve_watchdog_trips_total{{{IN}}}[1h]))":
                        "{{stage}} trips",
                    f"sum(increase(barkserve_streams_resumed_total{{{IN}}}[1h]))": "resumed",
                },
                "In the last hour.",
            ),
            Panel(
                "Event loop lag, p99", "s",
                {f"max by (stage) (barkserve:event_loop_lag_seconds:p99{{{IN}}})": "{{stage}}"},
            ),
            Panel(
                "Restarts", "short",
                {f"sum by (stage) (changes(process_start_time_seconds{{{IN}}}[1h]) * on (namespace,"
                 f" pod, instance) group_left (stage) barkserve_build_info{{{IN}}})": "{{stage}}"},
                "In the last hour.",
            ),
        ],
    },
)  # fmt: skip

_TOKENS = 'stage=~"semantic|coarse"'

STAGES = Board(
    "barkserve / stage",
    {
        "Load": [
            Panel(
                "Streams and queue", "short",
                {
                    f"sum(barkserve_streams{{{STAGE}}})": "streams",
                    f"sum(barkserve_queue_depth{{{STAGE}}})": "queue",
                },
            ),
            Panel(
                "Slots of the key/value cache", "short",
                {
                    f"sum(barkserve_slots{{{STAGE},{_TOKENS}}})": "slots",
                    f"sum(barkserve_slots_running{{{STAGE},{_TOKENS}}})": "running",
                },
                "Semantic and coarse have slots; fine and codec have none.",
            ),
            Panel("Time to first output", "s", quantiles("barkserve_first_output_seconds", STAGE)),
            Panel(
                "Outputs", "short",
                {f"sum(rate(barkserve_outputs_total{{{STAGE}}}{RATE}))": "per second"},
                "Semantic tokens, coarse codes, fine frames or codec samples.",
            ),
        ],
        "Model": [
            Panel(
                "Batch duration, p95", "s",
                {f"histogram_quantile(0.95, sum by (kind, le) (rate(barkserve_batch_seconds_bucket"
                 f"{{{STAGE}}}{RATE})))": "{{kind}}"},
            ),
            Panel("Batch size, mean", "short", mean("barkserve_batch_size", STAGE, "kind")),
            Panel(
                "Step", "s", quantiles("barkserve_step_seconds", f"{STAGE},{_TOKENS}"),
                "One decode step of semantic or coarse.",
            ),
            Panel(
                "Computing time by kind", "percentunit",
                {f"sum by (kind) (rate(barkserve_batch_seconds_sum{{{STAGE}}}{RATE}))": "{{kind}}"},
                "100% is one model that always computes.",
            ),
        ],
        "Process": [
            Panel(
                "CPU", "short",
                {of_process(f"rate(process_cpu_seconds_total{{{IN}}}{RATE})"): "{{instance}}"},
                "Cores in use.",
            ),
            Panel(
                "Resident memory", "bytes",
                {of_process(f"process_resident_memory_bytes{{{IN}}}"): "{{instance}}"},
            ),
            Panel(
                "RPCs by outcome", "reqps",
                {f"sum by (outcome) (rate(barkserve_requests_total{{{STAGE}}}{RATE}))":
                 "{{outcome}}"},
            ),
            Panel(
                "Event loop lag", "s", quantiles("barkserve_event_loop_lag_seconds", STAGE),
                "Alert BarkserveEventLoopSlow: p99 above 0.1 s.",
            ),
        ],
    },
    by_stage=True,
)  # fmt: skip

GPU = Board(
    "barkserve / GPU",
    {
        "GPU": [
            Panel(
                "Utilization", "percentunit",
                {f"max by (gpu) (barkserve_gpu_utilization_ratio{{{IN}}})": "{{gpu}}"},
                "Share of time in which any kernel ran. Needs nvidia-ml-py.",
            ),
            Panel(
                "Memory in use", "bytes",
                {
                    f"max by (gpu) (barkserve_gpu_memory_used_bytes{{{IN}}})": "{{gpu}} used",
                    f"max by (gpu) (barkserve_gpu_memory_total_bytes{{{IN}}})": "{{gpu}} total",
                },
                "Alert BarkserveGpuMemoryFull: above 97%.",
            ),
        ],
        "Offload": [
            Panel(
                "Weights on the device", "short",
                {f"sum by (stage) (barkserve_weights_resident{{{IN}}})": "{{stage}}"},
                "Needs --offload-idle-seconds.",
            ),
            Panel(
                "Last reload", "s",
                {f"max by (stage) (barkserve_offload_reload_seconds{{{IN}}})": "{{stage}}"},
            ),
            Panel(
                "Memory freed by the last offload", "bytes",
                {f"max by (stage) (barkserve_offload_freed_bytes{{{IN}}})": "{{stage}}"},
            ),
        ],
    },
)  # fmt: skip

AUTOSCALING = Board(
    "barkserve / autoscaling",
    {
        "Replicas": [
            Panel(
                "Replicas that run", "short",
                {f"count by (stage) (barkserve_streams{{{IN}}})": "{{stage}}"},
            ),
            Panel(
                "Replicas wanted", "short",
                {f"max by (service) (barkserve_wanted_replicas{{{IN}}})": "{{service}}"},
                "Alert BarkserveScalingBehind: more than run, for 15 minutes.",
            ),
            Panel(
                "Work, in replicas", "short",
                {f"max by (service) (barkserve_demand_replicas{{{IN}}})": "{{service}}"},
                "`barkclient status --scaling` explains it.",
            ),
        ],
        "Demand": [
            Panel(
                "Streams and capacity", "short",
                {
                    f"sum(barkserve_streams{{{ORCHESTRATOR}}})": "running",
                    f"max(barkserve_capacity_streams{{{ORCHESTRATOR}}})": "served in real time",
                },
            ),
            Panel(
                "Streams that wait", "short",
                {f"sum(barkserve_streams_waiting{{{ORCHESTRATOR}}})": "waiting"},
            ),
            _REFUSALS,
            Panel(
                "Computing time per replica", "percentunit",
                {
                    "avg by (stage) (sum by (stage, instance) "
                    f"(rate(barkserve_batch_seconds_sum{{{IN}}}{RATE})))": "{{stage}}",
                },
                "The autoscaler keeps it near --target-utilization.",
            ),
        ],
    },
)  # fmt: skip

BOARDS = {"overview": OVERVIEW, "stage": STAGES, "gpu": GPU, "autoscaling": AUTOSCALING}
"""File name to dashboard."""
