"""The parameters of the cells, by our names and in our order: i, h are the sizes of input and state, 2h twice the latter."""

from __future__ import annotations

import numpy as np

from ..problem import Problem

SHAPES: dict[str, dict[str, str]] = {
    "janet": {"forget_bias": "h", "forget_x": "h i", "forget_h": "h h", "new_bias": "h", "new_x": "h i", "new_h": "h h"},
    "mgu": {"forget_bias": "h", "forget_x": "h i", "forget_h": "h h", "new_bias": "h", "new_x": "h i", "new_h": "h h"},
    "gru_layernorm": {
        "gates_x": "2h i", "norm_gates_x_gain": "2h", "gates_h": "2h h", "norm_gates_h_gain": "2h", "gates_bias": "2h",
        "new_x": "h i", "norm_new_gain": "h", "norm_new_shift": "h",
        "kept_h": "h h", "norm_kept_gain": "h", "norm_kept_shift": "h",
    },
    "mlstm": {
        "multiplier_x_x": "h i", "multiplier_h_h": "h h",
        **{f"{gate}_{part}": shape for gate in ("input", "forget", "candidate", "output")
           for part, shape in (("bias", "h"), ("x", "h i"), ("m", "h h"))},
    },
}  # fmt: skip


def weights_of(problem: Problem) -> dict[str, np.ndarray]:
    """Every parameter of the problem's cell."""
    sizes = {"i": problem.inputs, "h": problem.hidden, "2h": 2 * problem.hidden}
    shapes = {name: [sizes[letter] for letter in letters.split()] for name, letters in SHAPES[problem.cell].items()}
    return {name: problem.draw(name, *shape, scale=problem.hidden**-0.5) for name, shape in shapes.items()}
