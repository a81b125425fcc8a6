"""JAX: a scan under jit, with the products of the input outside it, as people write it for speed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .problem import Problem, Run


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


def runs(problem: Problem) -> dict[str, Run]:
    arrays = [jnp.asarray(problem.x), *(jnp.asarray(problem.weights[k]) for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))]
    grad = jnp.asarray(problem.grad)
    start = jnp.zeros((problem.batch, problem.hidden), jnp.float32)

    def forward(x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        products = x @ w_ih.T + (b_ih if problem.cell == "gru" else b_ih + b_hh)
        first = (start, start) if problem.cell == "lstm" else start
        return jax.lax.scan(step(problem.cell, w_hh, b_hh), first, products)[1]

    def pulled(*given: Any) -> Any:
        output, back = jax.vjp(forward, *given)
        return output, back(grad)

    infer, train = jax.jit(forward), jax.jit(pulled)
    problem.check("JAX", np.asarray(infer(*arrays)))
    return {
        "inference": lambda: jax.block_until_ready(infer(*arrays)),
        "training": lambda: jax.block_until_ready(train(*arrays)),
    }
