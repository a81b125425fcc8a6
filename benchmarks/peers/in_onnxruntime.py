"""ONNX Runtime: the standard RNN, GRU and LSTM operators. It does not train."""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from .problem import Problem, Run

ORDER = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}  # the standard's gates z, r, h; i, o, f, c by torch's


def runs(problem: Problem) -> dict[str, Run]:
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
    shapes = ([problem.length, problem.batch, problem.inputs], [problem.length, 1, problem.batch, problem.hidden])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in zip("xy", shapes, strict=True)]
    graph = helper.make_graph([node], problem.cell, ends[:1], ends[1:], [numpy_helper.from_array(v, k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = {"x": problem.x}
    problem.check("ONNX Runtime", session.run(None, given)[0][:, 0])
    return {"inference": lambda: session.run(None, given)}
