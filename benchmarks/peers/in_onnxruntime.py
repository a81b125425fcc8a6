"""ONNX Runtime: the standard RNN, GRU and LSTM operators, all graph optimisations, input and output bound. It does not train."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ..problem import Problem
from ..worker import Made

VERSIONS = {"ONNX Runtime": onnxruntime.__version__}
ORDER = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}  # the standard's gates z, r, h; i, o, f, c by torch's


def model(problem: Problem) -> bytes:
    """One node with the problem's weights."""

    def gates(name: str) -> np.ndarray:
        blocks = problem.blocks(name)
        return np.concatenate([blocks[k] for k in ORDER[problem.cell]])

    constants = {
        "W": gates("weight_ih")[None],
        "R": gates("weight_hh")[None],
        "B": np.concatenate([gates("bias_ih"), gates("bias_hh")])[None],
    }
    extra = {"linear_before_reset": 1} if problem.cell == "gru" else {}
    node = helper.make_node(problem.cell.upper(), ["x", "W", "R", "B"], ["y"], hidden_size=problem.hidden, **extra)
    number = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}[problem.dtype]
    shapes = ([problem.length, problem.batch, problem.inputs], [problem.length, 1, problem.batch, problem.hidden])
    ends = [helper.make_tensor_value_info(name, number, shape) for name, shape in zip("xy", shapes, strict=True)]
    graph = helper.make_graph([node], problem.cell, ends[:1], ends[1:], [numpy_helper.from_array(v, k) for k, v in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8).SerializeToString()


def layer(problem: Problem) -> Made:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model(problem), options, providers=["CPUExecutionProvider"])
    bound = session.io_binding()
    bound.bind_cpu_input("x", problem.x)
    bound.bind_output("y")

    def infer() -> list[onnxruntime.OrtValue]:
        session.run_with_iobinding(bound)
        return bound.get_outputs()

    return Made({"inference": infer}, {"inference": lambda values: [values[0].numpy()[:, 0]]})
