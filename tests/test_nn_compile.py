"""ostinato.nn where torch records operations: compile, export, fake tensors, modes, tracing."""

import subprocess
import sys

import pytest
import torch
from test_nn_torch import distance, flat, inputs, layer, layer_like, loss
from tolerances import GRADIENTS, VALUES

import ostinato.nn


@pytest.mark.parametrize(
    "name, options", [("RNN", {}), ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}), ("GRU", {})]
)
def test_compile_without_a_graph_break(name, options):
    torch._dynamo.reset()
    module, x = layer(name, **options), inputs().requires_grad_()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    leaves = [x, *module.parameters()]
    results = [(flat(m(x)), torch.autograd.grad(loss(m(x)), leaves)) for m in (module, compiled)]
    for part, tolerance in ((0, VALUES), (1, GRADIENTS)):
        for a, b in zip(results[0][part], results[1][part], strict=True):
            assert distance(b, a) <= tolerance["float64"]


def test_compile_with_inductor_and_other_sizes():
    torch._dynamo.reset()
    module = layer("GRU", bidirectional=True)

    @torch.compile(fullgraph=True, dynamic=True)
    def f(x, lengths, reset):
        return loss(module(x * 2, lengths=lengths, reset=reset))

    for T, B in ((4, 2), (7, 3)):
        x, lengths, reset = inputs(T, B).requires_grad_(), torch.arange(B) + 1, torch.rand(T, B) < 0.3
        want = torch.autograd.grad(loss(module(x * 2, lengths=lengths, reset=reset)), x)[0]
        assert distance(torch.autograd.grad(f(x, lengths, reset), x)[0], want) <= GRADIENTS["float64"]


def test_compile_a_cell_and_one_step():
    torch._dynamo.reset()
    for module, x in (
        (ostinato.nn.LSTMCell(3, 4), torch.randn(2, 3)),
        (ostinato.nn.Recurrent("mgu", 3, 4, num_layers=2), torch.randn(4, 2, 3)),
    ):
        compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
        assert torch.equal(compiled(x)[0], module(x)[0])


def test_packed_sequences_break_the_graph_and_nothing_else():
    torch._dynamo.reset()
    module = layer("LSTM", dtype=torch.float32)
    packed = torch.nn.utils.rnn.pack_sequence([torch.randn(4, 3), torch.randn(2, 3)])

    def f(packed):
        return module(packed)[0].data.sin()

    assert torch.equal(torch.compile(f, backend="aot_eager")(packed), f(packed))


def test_export_saves_and_loads_elsewhere(tmp_path):
    module, x = layer("LSTM", dtype=torch.float32), torch.randn(4, 2, 3)
    shapes = ({0: torch.export.Dim("time"), 1: torch.export.Dim("batch")},)
    program = torch.export.export(module, (x,), dynamic_shapes=shapes)
    other = torch.randn(6, 3, 3)
    assert torch.equal(program.module()(other)[0], module(other)[0])
    torch.export.save(program, tmp_path / "program.pt2")
    torch.save((other, module(other)[0].detach()), tmp_path / "data.pt")
    code = (
        "import sys, torch, ostinato.nn\n"
        "x, y = torch.load(sys.argv[2])\n"
        "assert torch.equal(torch.export.load(sys.argv[1]).module()(x)[0], y)\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "program.pt2", tmp_path / "data.pt"], check=True, timeout=120)


def test_an_exported_program_can_be_trained():
    module, x = layer("GRU"), inputs()
    program = torch.export.export(module, (x,)).module()
    got = torch.autograd.grad(loss(program(x)), list(program.parameters()))
    want = torch.autograd.grad(loss(module(x)), list(module.parameters()))
    for a, b in zip(got, want, strict=True):
        assert distance(a, b) <= GRADIENTS["float64"]


def test_operators_pass_torchs_own_checks():
    module, x = layer("GRU"), inputs().requires_grad_()
    tensors = [x, *module.parameters()]
    torch.library.opcheck(torch.ops.ostinato.infer.default, (tensors, None, module._stack.name, [0, 0, 0, 0, 0]))
    torch.library.opcheck(
        torch.ops.ostinato.train.default, (tensors, None, module._stack.name, [0, 0, 0, 0, 0], [True, True]),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )  # fmt: skip


def test_fake_tensors_and_modes():
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    module, x = layer("GRU"), inputs()
    with FlopCounterMode(display=False):
        assert torch.equal(module(x)[0], layer_like(module)(x)[0])
    with FakeTensorMode():
        fake = ostinato.nn.LSTM(3, 4)(torch.randn(5, 2, 3))[0]
    assert fake.shape == (5, 2, 4)


def test_tracing_records_an_operator():
    module, x = layer("GRU"), inputs()
    traced = torch.jit.trace(module, x)
    other = inputs(7)
    assert torch.equal(traced(other)[0], module(other)[0])


def test_autocast_computes_in_the_weights_type():
    module = ostinato.nn.LSTM(3, 4)
    x = torch.randn(5, 2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = module(x.bfloat16())[0]
    assert y.dtype == torch.float32
    assert torch.equal(y, module(x.bfloat16().float())[0])
