"""The cells as JAX's scan under jit, the products of the input outside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..peers.in_jax import VERSIONS as VERSIONS, made
from ..problem import Problem
from ..worker import Made
from .weights import SHAPES, weights_of

sigmoid, tanh, cat = jax.nn.sigmoid, jnp.tanh, jnp.concatenate


def layer_norm(v: Any, gain: Any, shift: Any = 0.0) -> Any:
    centred = v - v.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * gain + shift


def janet(x: Any, w: dict[str, Any]) -> Any:
    gates = x @ cat([w["forget_x"], w["new_x"]]).T + cat([w["forget_bias"], w["new_bias"]])
    recurrent = cat([w["forget_h"], w["new_h"]]).T

    def step(h: Any, gate: Any) -> tuple[Any, Any]:
        s, n = jnp.split(gate + h @ recurrent, 2, axis=1)
        h = sigmoid(s) * h + (1 - sigmoid(s - 1)) * tanh(n)
        return h, h

    return scan(step, x, len(recurrent), gates)


def mgu(x: Any, w: dict[str, Any]) -> Any:
    forget, new = (x @ w[f"{k}_x"].T + w[f"{k}_bias"] for k in ("forget", "new"))

    def step(h: Any, given: Any) -> tuple[Any, Any]:
        f = sigmoid(given[0] + h @ w["forget_h"].T)
        n = tanh(given[1] + (f * h) @ w["new_h"].T)
        h = h + f * (n - h)
        return h, h

    return scan(step, x, len(w["new_h"]), (forget, new))


def gru_layernorm(x: Any, w: dict[str, Any]) -> Any:
    k = len(w["new_x"])
    gates = layer_norm(x @ w["gates_x"].T, w["norm_gates_x_gain"], w["gates_bias"])
    new = layer_norm(x @ w["new_x"].T, w["norm_new_gain"], w["norm_new_shift"])
    recurrent = cat([w["gates_h"], w["kept_h"]]).T

    def step(h: Any, given: Any) -> tuple[Any, Any]:
        product = h @ recurrent
        z, r = jnp.split(sigmoid(given[0] + layer_norm(product[:, : 2 * k], w["norm_gates_h_gain"])), 2, axis=1)
        n = tanh(given[1] + r * layer_norm(product[:, 2 * k :], w["norm_kept_gain"], w["norm_kept_shift"]))
        h = h + z * (n - h)
        return h, h

    return scan(step, x, k, (gates, new))


def mlstm(x: Any, w: dict[str, Any]) -> Any:
    names = ("input", "forget", "candidate", "output")
    multipliers = x @ w["multiplier_x_x"].T
    gates = x @ cat([w[f"{k}_x"] for k in names]).T + cat([w[f"{k}_bias"] for k in names])
    of_m = cat([w[f"{k}_m"] for k in names]).T

    def step(state: Any, given: Any) -> tuple[Any, Any]:
        h, c = state
        i, f, g, o = jnp.split(given[1] + (given[0] * (h @ w["multiplier_h_h"].T)) @ of_m, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (h, c), h

    return scan(step, x, len(of_m), (multipliers, gates), states=2)


def scan(step: Callable[..., Any], x: Any, hidden: int, given: Any, states: int = 1) -> Any:
    start = jnp.zeros((x.shape[1], hidden), x.dtype)
    return jax.lax.scan(step, (start,) * states if states > 1 else start, given)[1]


SCANS = {one.__name__: one for one in (janet, mgu, gru_layernorm, mlstm)}


def layer(problem: Problem) -> Made:
    names = list(SHAPES[problem.cell])
    weights = weights_of(problem)
    arrays = [jnp.asarray(a) for a in (problem.x, *(weights[name] for name in names))]
    return made(lambda x, *given: SCANS[problem.cell](x, dict(zip(names, given, strict=True))), arrays, jnp.asarray(problem.grad))
