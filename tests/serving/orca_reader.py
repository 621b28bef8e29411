"""Reads ORCA load reports without any code of barkserve.

The messages come from the xDS API's own protos (PyPI: xds-protos), in the environment .venv-protos.
`.venv-protos/bin/python orca_reader.py HOST:PORT COUNT` prints one line of JSON per report.
"""

import json
import os
import sys

import grpc
from xds.data.orca.v3.orca_load_report_pb2 import OrcaLoadReport
from xds.service.orca.v3.orca_pb2 import OrcaLoadReportRequest


def main() -> None:
    request = OrcaLoadReportRequest()
    request.report_interval.FromMilliseconds(100)
    with grpc.insecure_channel(sys.argv[1]) as channel:
        call = channel.unary_stream(
            "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics",
            request_serializer=OrcaLoadReportRequest.SerializeToString,
            response_deserializer=OrcaLoadReport.FromString,
        )
        for count, report in enumerate(call(request), 1):
            named = dict(report.named_metrics)
            print(json.dumps({"utilization": report.application_utilization, **named}), flush=True)
            if count == int(sys.argv[2]):
                break


if __name__ == "__main__":
    main()
    os._exit(0)  # interpreter shutdown may abort gRPC's threads
