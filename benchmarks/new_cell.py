"""A cell of one's own on our engine, beside the same cell as a torch loop, under torch.compile, and as JAX's scan.

    python benchmarks/new_cell.py [--rounds 30] [--shapes 100,32,64,128 …] [--no-compile]

The cell is JANET (van der Westhuizen and Lasenby 2018): two gates, one state. The same weights, float32, two threads,
medians; they take turns of a few calls. Training is forward and backward with the gradients of input and weights. All four must
give the same numbers, or the script stops. JAX is left out where it is not installed; torch.compile takes minutes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from layers import turns
from torch import Tensor

import ostinato as ost
from ostinato.nn import Recurrent

SHAPES = ["100,32,64,128", "100,1,32,64"]
NAMES = ("forget_bias", "forget_x", "forget_h", "new_bias", "new_x", "new_h")


@ost.cell
def janet(x, h, *, beta=1.0):
    s = ost.affine("forget", x, h)
    n = ost.tanh(ost.affine("new", x, h))
    return ost.sigmoid(s) * h + (1 - ost.sigmoid(s - beta)) * n


def torch_loop(x: Tensor, fb: Tensor, fx: Tensor, fh: Tensor, nb: Tensor, nx: Tensor, nh: Tensor) -> Tensor:
    """As people write it: the products of the input outside the loop, the gates' products in one."""
    gates = x @ torch.cat([fx, nx]).T + torch.cat([fb, nb])
    recurrent = torch.cat([fh, nh]).T
    h = x.new_zeros(x.shape[1], fh.shape[0])
    outputs = []
    for gate in gates.unbind(0):
        s, n = (gate + h @ recurrent).chunk(2, 1)
        h = torch.sigmoid(s) * h + (1 - torch.sigmoid(s - 1)) * torch.tanh(n)
        outputs.append(h)
    return torch.stack(outputs)


def jax_scan() -> Callable[..., Any] | None:
    try:
        import jax
        import jax.numpy as jnp
    except ModuleNotFoundError:
        return None

    def run(x: Any, fb: Any, fx: Any, fh: Any, nb: Any, nx: Any, nh: Any) -> Any:
        gates = x @ jnp.concatenate([fx, nx]).T + jnp.concatenate([fb, nb])
        recurrent = jnp.concatenate([fh, nh]).T

        def step(h: Any, gate: Any) -> tuple[Any, Any]:
            s, n = jnp.split(gate + h @ recurrent, 2, axis=1)
            h = jax.nn.sigmoid(s) * h + (1 - jax.nn.sigmoid(s - 1)) * jnp.tanh(n)
            return h, h

        return jax.lax.scan(step, jnp.zeros((x.shape[1], fh.shape[0])), gates)[1]

    return run


def torch_runs(
    function: Callable[..., Tensor], x: Tensor, weights: list[Tensor], ones: Tensor
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    inputs = [x.clone().requires_grad_(), *(w.clone().requires_grad_() for w in weights)]

    def infer() -> Any:
        with torch.inference_mode():
            return function(x, *weights)

    return infer, lambda: torch.autograd.grad(function(*inputs), inputs, ones)


def our_runs(layer: Recurrent, x: Tensor, ones: Tensor) -> tuple[Callable[[], Any], Callable[[], Any]]:
    given = x.clone().requires_grad_()
    inputs = [given, *(getattr(layer, f"{name}_l0") for name in NAMES)]

    def infer() -> Any:
        with torch.inference_mode():
            return layer(x)[0]

    return infer, lambda: torch.autograd.grad(layer(given)[0], inputs, ones)


def jax_runs(scan: Callable[..., Any], x: Tensor, weights: list[Tensor]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import jax

    arrays = [jax.numpy.asarray(a.numpy()) for a in (x, *weights)]
    forward = jax.jit(scan)
    backward = jax.jit(jax.grad(lambda *a: scan(*a).sum(), argnums=tuple(range(7))))
    return lambda: jax.block_until_ready(forward(*arrays)), lambda: jax.block_until_ready(backward(*arrays))


def same(name: str, found: Any, wanted: list[Tensor]) -> None:
    for a, b in zip(found, wanted, strict=True):
        far = (a if isinstance(a, Tensor) else torch.from_numpy(np.array(a))) - b
        assert far.norm() <= 1e-4 * b.norm(), f"{name} computes something else"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    wishes = parser.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    for shape in wishes.shapes:
        length, batch, inputs, hidden = (int(n) for n in shape.split(","))
        layer = Recurrent(janet, inputs, hidden)
        weights = [getattr(layer, f"{name}_l0").detach() for name in NAMES]
        x, ones = torch.randn(length, batch, inputs), torch.ones(length, batch, hidden)
        ways = {"ours": our_runs(layer, x, ones), "torch loop": torch_runs(torch_loop, x, weights, ones)}
        if (scan := jax_scan()) is not None:
            ways["JAX scan, jit"] = jax_runs(scan, x, weights)
        if not wishes.no_compile:
            ways["torch.compile"] = torch_runs(torch.compile(torch_loop), x, weights, ones)
        wanted = [[ways["torch loop"][0]()], list(ways["torch loop"][1]())]
        first = {}
        for name, (infer, train) in ways.items():
            began = time.perf_counter()
            same(name, [infer()], wanted[0])
            same(name, train(), wanted[1])
            first[name] = time.perf_counter() - began
        print(f"T,B,I,H {shape}: milliseconds, medians; seconds until both first results")
        for kind, at in (("training", 1), ("inference", 0)):
            times = turns({name: runs[at] for name, runs in ways.items()}, wishes.rounds)
            ours = statistics.median(times["ours"])
            for name, took in times.items():
                middle = statistics.median(took)
                print(f"  {kind:9} {name:14} {middle:9.3f}   {middle / ours:6.1f} x ours   first {first[name]:.1f} s", flush=True)


if __name__ == "__main__":
    main()
