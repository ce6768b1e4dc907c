"""ONNX Runtime as a peer: a model of a few nodes, built in memory, and its session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def session(
    nodes: Sequence[tuple[Any, ...]],
    constants: Mapping[str, np.ndarray],
    x: np.ndarray,
    shape: Sequence[int],
    spin: bool = True,
) -> Callable[[], np.ndarray]:
    """What computes the last node's result, of ``shape``, from the input "x".

    A node is (operation, names of its inputs, name of its output), and a dict of attributes if it has any. Images are
    N C H W in memory, the only order that ONNX has. Between two runs its threads ``spin``, which is faster, unless
    other engines share the process: their threads would have to wait.

    Raises:
        ImportError: onnx or onnxruntime is missing.
    """
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    made = [
        helper.make_node(operation, list(inputs), [output], **dict(*attributes))
        for operation, inputs, output, *attributes in nodes
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(size))
        for name, size in (("x", x.shape), (nodes[-1][2], shape))
    ]
    weights = [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in constants.items()]
    graph = helper.make_graph(made, "model", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    providers = ["CPUExecutionProvider"]
    run = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers).run
    x = np.ascontiguousarray(x)
    return lambda: run(None, {"x": x})[0]
