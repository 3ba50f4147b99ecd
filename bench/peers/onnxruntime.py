"""ONNX Runtime, for inference and products; inputs and results stay in its memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from parts import Product
from work import Array, Column, InferenceWork, Net, Work

NAME = "onnxruntime"
LIBRARY = "ONNX Runtime"
options = onnxruntime.SessionOptions()


def version() -> str:
    """The installed version."""
    return str(onnxruntime.__version__)


def use(threads: int) -> None:
    """Use so many threads."""
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1


def column(work: Work) -> Column | None:
    """The forward pass of a network, or a product."""
    if isinstance(work, InferenceWork):
        return bound(*network(work.net), {"h0": work.net.x}, (work.net.batch, work.net.sizes[-1]))
    if isinstance(work, Product):
        return product(work)
    return None


def network(net: Net) -> tuple[list[Any], list[Any]]:
    """A Gemm for each layer, and the weights."""
    nodes, last = [], len(net.weights) // 2 - 1
    for i in range(last + 1):
        out = "y" if i == last else f"z{i}"
        nodes.append(helper.make_node("Gemm", [f"h{i}", f"p{2 * i}", f"p{2 * i + 1}"], [out], transB=1))
        if i < last:
            nodes.append(helper.make_node("Relu" if net.activation == "relu" else "Sigmoid", [out], [f"h{i + 1}"]))
    return nodes, [numpy_helper.from_array(w, f"p{i}") for i, w in enumerate(net.weights)]


def product(work: Product) -> Column:
    """A MatMul; transposes before it become part of it. Vectors are matrices, since those parts are wrong with them."""
    a, b = work.inputs
    nodes, names, bases = [], [], {}
    for name, x in (("a", np.atleast_2d(a)), ("b", b.reshape(len(b), -1))):
        bases[name] = x if x.flags.c_contiguous else x.T
        names.append(name if x.flags.c_contiguous else f"{name}t")
        if not x.flags.c_contiguous:
            nodes.append(helper.make_node("Transpose", [name], [f"{name}t"], perm=[1, 0]))
    nodes.append(helper.make_node("MatMul", names, ["y"]))
    column = bound(nodes, [], bases, (a.size // a.shape[-1], b.size // len(b)))
    return replace(column, read=lambda _: [y.reshape(work.results[0].shape) for y in column.read(None)])


def bound(nodes: list[Any], weights: list[Any], inputs: dict[str, Array], shape: tuple[int, ...]) -> Column:
    """A model of these nodes, run on arrays that lie where it wants them."""
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in inputs.items()]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "work", infos, [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = {n: onnxruntime.OrtValue.ortvalue_from_numpy(a) for n, a in inputs.items()}
    result = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
    binding = session.io_binding()
    for name, value in values.items():
        binding.bind_ortvalue_input(name, value)
    binding.bind_ortvalue_output("y", result)
    return Column(NAME, lambda: session.run_with_iobinding(binding), lambda _: [result.numpy()])
