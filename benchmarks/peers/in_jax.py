"""JAX: a scan, compiled ahead, with the products of the input outside it, as people write it for speed.

Results are waited for. No buffer is donated: each call reads the same input again.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..problem import Problem
from ..worker import Made

VERSIONS = {"JAX": jax.__version__}


def step(cell: str, w_hh: Any, b_hh: Any) -> Any:
    """One step of a scan over the products of the input."""
    sigmoid, tanh = jax.nn.sigmoid, jnp.tanh

    def rnn(h: Any, v: Any) -> Any:
        h = tanh(v + h @ w_hh.T)
        return h, h

    def gru(h: Any, v: Any) -> Any:
        a, b, c = jnp.split(v, 3, 1)
        r, z, n = jnp.split(h @ w_hh.T + b_hh, 3, 1)
        r, z = sigmoid(a + r), sigmoid(b + z)
        n = tanh(c + r * n)
        h = n + z * (h - n)
        return h, h

    def lstm(state: Any, v: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(v + h @ w_hh.T, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (h, c), h

    return {"rnn": rnn, "gru": gru, "lstm": lstm}[cell]


def layer(problem: Problem) -> Made:
    jax.config.update("jax_enable_x64", problem.dtype == "float64")
    arrays = [jnp.asarray(problem.x), *(jnp.asarray(problem.weights[k]) for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))]
    start = jnp.zeros((problem.batch, problem.hidden), problem.dtype)

    def forward(x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        products = x @ w_ih.T + (b_ih if problem.cell == "gru" else b_ih + b_hh)
        first = (start, start) if problem.cell == "lstm" else start
        return jax.lax.scan(step(problem.cell, w_hh, b_hh), first, products)[1]

    return made(forward, arrays, jnp.asarray(problem.grad))


def made(forward: Any, arrays: list[Any], grad: Any) -> Made:
    """Both kinds of call of a function whose first argument is the input."""

    def pulled(grad: Any, *given: Any) -> Any:
        return jax.vjp(forward, *given)[1](grad)

    infer = jax.jit(forward).lower(*arrays).compile()
    train = jax.jit(pulled).lower(grad, *arrays).compile()
    return Made(
        {
            "inference": lambda: jax.block_until_ready(infer(*arrays)),
            "training": lambda: jax.block_until_ready(train(grad, *arrays)),
        },
        {"inference": lambda y: [np.asarray(y)], "training": lambda grads: [np.asarray(g) for g in grads]},
    )
