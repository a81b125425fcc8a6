"""TensorFlow: Keras layers inside a tf.function."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from .problem import Problem, Run

LAYERS = {"rnn": tf.keras.layers.SimpleRNN, "gru": tf.keras.layers.GRU, "lstm": tf.keras.layers.LSTM}
ORDER = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 1, 2, 3]}  # Keras's gates z, r, h; i, f, c, o by torch's


def runs(problem: Problem) -> dict[str, Run]:
    layer = LAYERS[problem.cell](problem.hidden, return_sequences=True)
    x = tf.constant(problem.x.transpose(1, 0, 2))  # Keras is batch first
    grad = tf.constant(problem.grad.transpose(1, 0, 2))
    layer.build(x.shape)

    def gates(name: str) -> np.ndarray:
        blocks = problem.blocks(name)
        return np.concatenate([blocks[k] for k in ORDER[problem.cell]])

    both = (gates("bias_ih"), gates("bias_hh"))
    bias = np.stack(both) if problem.cell == "gru" else both[0] + both[1]
    layer.set_weights([gates("weight_ih").T, gates("weight_hh").T, bias])

    infer = tf.function(lambda: layer(x, training=False))

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = layer(x, training=True)
        return tape.gradient(output, [x, *layer.trainable_variables], output_gradients=grad)

    problem.check("TensorFlow", infer().numpy().transpose(1, 0, 2))
    return {"inference": lambda: infer().numpy(), "training": lambda: train()[0].numpy()}
