"""ONNX models with inner tensors as further outputs."""

from pathlib import Path

import onnx
import onnxruntime
from onnx import TensorProto, helper


def session_with_outputs(model: Path, names: list[str]) -> onnxruntime.InferenceSession:
    """Return a session on one CPU thread that also returns the float32 tensors `names`."""
    graph = onnx.load(model)
    for name in names:
        graph.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
