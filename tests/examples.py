"""Arrays to run a program on: parameters, inputs of the kind their names promise, states."""

import numpy as np

from ostinato import cells
from ostinato.program.node import Level

FLAGS = ("mask", "reset", "valid")


def program(name, input_size=3, hidden_size=4, **hyper):
    """A cell of the library, traced small; clockwork needs a width that its periods divide."""
    return cells.get(name).trace(input_size, 8 if name == "clockwork" else hidden_size, **hyper)


def example(program, T=5, B=3, seed=0):
    rng = np.random.default_rng(seed)
    params = {k: rng.normal(size=p.node.shape) * 0.5 for k, p in program.params.items()}
    inputs = {}
    for k, n in program.inputs.items():
        shape = (T, B, n.width) if n.level == Level.STEP else (B, n.width)
        if k in FLAGS:
            inputs[k] = (rng.random(shape) < 0.6) * 1.0
        else:
            inputs[k] = np.abs(rng.normal(size=shape)) if k in ("gap", "time") else rng.normal(size=shape)
    # sLSTM's normaliser n must stay away from zero
    states = {k: rng.normal(size=(B, n.width)) * 0.3 + (3.0 if k == "n" else 0.0) for k, n in program.states.items()}
    return params, inputs, states
