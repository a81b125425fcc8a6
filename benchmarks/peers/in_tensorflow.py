"""TensorFlow: Keras layers inside a tf.function, traced ahead."""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf

from ..problem import Problem
from ..worker import Made

VERSIONS = {"TensorFlow": tf.__version__, "Keras": tf.keras.__version__}
LAYERS = {"rnn": tf.keras.layers.SimpleRNN, "gru": tf.keras.layers.GRU, "lstm": tf.keras.layers.LSTM}
ORDER = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 1, 2, 3]}  # Keras's gates z, r, h; i, f, c, o by torch's

tf.config.threading.set_intra_op_parallelism_threads(int(os.environ["OMP_NUM_THREADS"]))
tf.config.threading.set_inter_op_parallelism_threads(int(os.environ["OMP_NUM_THREADS"]))


def layer(problem: Problem) -> Made:
    layer = LAYERS[problem.cell](problem.hidden, return_sequences=True, dtype=problem.dtype)
    x = tf.constant(problem.x.transpose(1, 0, 2))  # Keras is batch first
    grad = tf.constant(problem.grad.transpose(1, 0, 2))
    layer.build(x.shape)
    order = ORDER[problem.cell]

    def gates(name: str) -> np.ndarray:
        blocks = problem.blocks(name)
        return np.concatenate([blocks[k] for k in order])

    def torchs(weight: tf.Tensor) -> np.ndarray:
        blocks = np.split(weight.numpy().T, len(order))
        return np.concatenate([blocks[k] for k in order])  # each order is its own inverse

    both = (gates("bias_ih"), gates("bias_hh"))
    bias = np.stack(both) if problem.cell == "gru" else both[0] + both[1]
    layer.set_weights([gates("weight_ih").T, gates("weight_hh").T, bias])

    @tf.function
    def infer():
        return layer(x, training=False)

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = layer(x, training=True)
        return tape.gradient(output, [x, *layer.trainable_variables], output_gradients=grad)

    return Made(
        {"inference": infer.get_concrete_function(), "training": train.get_concrete_function()},
        {
            "inference": lambda y: [y.numpy().transpose(1, 0, 2)],
            "training": lambda grads: [grads[0].numpy().transpose(1, 0, 2), torchs(grads[1]), torchs(grads[2])],
        },
    )
