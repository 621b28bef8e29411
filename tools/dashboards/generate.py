"""Builds the JSON of the dashboards with Grafana's own library."""

import json
from typing import Any

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import VisibilityMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    VariableRefresh,
)

from barkserve.constants import STAGES
from tools.dashboards.panels import Board, Panel

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_HEIGHT, _NUMBER_HEIGHT = 8, 4
_ROW_WIDTH, _MOST_IN_A_ROW = 24, 6


def dashboard_json(name: str, board: Board) -> str:
    """Return a dashboard as JSON.

    Args:
        name: the last part of its id, such as "overview".
        board: what it shows.
    """
    builder = (
        dashboard.Dashboard(board.title)
        .uid(f"barkserve-{name}")
        .description("Made by tools/dashboards: change its panels there.")
        .tags(["barkserve"])
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
        .with_variable(_namespaces())
    )
    if board.by_stage:
        names = ",".join(STAGES)
        builder.with_variable(dashboard.CustomVariable("stage").values(names))
    builder.link(_links())
    number = 0
    for title, panels in board.rows.items():
        builder.with_row(dashboard.Row(title).id(number := number + 1))
        for panel in panels:
            builder.with_panel(_panel(panel, len(panels)).id(number := number + 1))
    built = json.loads(JSONEncoder().encode(builder.build()))
    return json.dumps(_without_nulls(built), sort_keys=True, indent=1) + "\n"


def _without_nulls(value: Any) -> Any:
    """The value without the fields that are null, which Grafana sets to its defaults."""
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def _namespaces() -> dashboard.QueryVariable:
    """All namespaces; with Docker Compose the metrics have none."""
    return (
        dashboard.QueryVariable("namespace")
        .datasource(_SOURCE)
        .query("label_values(barkserve_streams, namespace)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".*")
    )


def _links() -> dashboard.DashboardLink:
    """Links to the other dashboards, which keep time range and namespace."""
    link = (
        dashboard.DashboardLink("barkserve").type(DashboardLinkType.DASHBOARDS).tags(["barkserve"])
    )
    return link.include_vars(True).keep_time(True).as_dropdown(False)


def _panel(panel: Panel, in_row: int) -> stat.Panel | timeseries.Panel:
    """Build a panel. The panels of a row share its width."""
    kind = stat.Panel if panel.is_number else timeseries.Panel
    builder = kind().title(panel.title).datasource(_SOURCE).unit(panel.unit)
    builder.height(_NUMBER_HEIGHT if panel.is_number else _HEIGHT)
    builder.span(_ROW_WIDTH // min(in_row, _MOST_IN_A_ROW))
    if panel.description:
        builder.description(panel.description)
    if isinstance(builder, timeseries.Panel):
        builder.min(0).fill_opacity(10).show_points(VisibilityMode.NEVER)
    for index, (query, legend) in enumerate(panel.queries.items()):
        target = prometheus.Dataquery().expr(query).legend_format(legend or "__auto")
        builder.with_target(target.ref_id("ABCDEFGH"[index]).datasource(_SOURCE))
    return builder
