"""ONNX Runtime, for inference."""

from __future__ import annotations

import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from work import Column, InferenceWork, Net, Work

NAME = "onnxruntime"
options = onnxruntime.SessionOptions()


def version() -> str:
    """The installed version."""
    return str(onnxruntime.__version__)


def use(threads: int) -> None:
    """Use so many threads."""
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1


def model(net: Net) -> bytes:
    """The network as an ONNX file: a Gemm for each layer."""
    nodes, weights, last = [], [], len(net.weights) // 2 - 1
    for i, w in enumerate(net.weights):
        weights.append(numpy_helper.from_array(w, f"p{i}"))
    for i in range(last + 1):
        out = "y" if i == last else f"z{i}"
        nodes.append(helper.make_node("Gemm", [f"h{i}", f"p{2 * i}", f"p{2 * i + 1}"], [out], transB=1))
        if i < last:
            nodes.append(helper.make_node("Relu" if net.activation == "relu" else "Sigmoid", [out], [f"h{i + 1}"]))
    x = helper.make_tensor_value_info("h0", TensorProto.FLOAT, [net.batch, net.sizes[0]])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [net.batch, net.sizes[-1]])
    graph = helper.make_graph(nodes, "mlp", [x], [y], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def column(work: Work) -> Column | None:
    """The forward pass."""
    if not isinstance(work, InferenceWork) or work.captured:
        return None
    session = onnxruntime.InferenceSession(model(work.net), options, providers=["CPUExecutionProvider"])
    x = {"h0": work.net.x}
    return Column(NAME, lambda: session.run(None, x))
