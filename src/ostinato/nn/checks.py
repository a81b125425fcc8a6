"""What can be wrong with a call's arguments, said as torch.nn says it where torch.nn says it."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .call import Piece, pieces_of
from .stack import Stack

COMPUTED = (torch.float32, torch.float64)


def lowered(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor in the weights' type, where autocast has lowered it: recurrent layers compute in their weights' type."""
    return tensor.to(dtype) if tensor.dtype is not dtype and torch._C._is_any_autocast_enabled() else tensor


def check_input_type(input: Tensor, dtype: torch.dtype) -> None:
    """The weights' type."""
    if input.dtype is not dtype:
        raise ValueError(
            f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). "
            f"Convert input: input.to({dtype}), or convert model: model.to({input.dtype})"
        )


def check_input(input: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """The input in the weights' type; errors for another type or width."""
    input = lowered(input, dtype)
    check_input_type(input, dtype)
    if input.size(-1) != width:
        raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {width}, got {input.size(-1)}")
    return input


def check_state(state: Tensor, expected: tuple[int, int, int], what: str) -> None:
    """The shape of an initial state."""
    if state.shape != expected:
        raise RuntimeError(f"Expected {what} size {expected}, got {list(state.shape)}")


def check_packed(input: PackedSequence) -> tuple[Tensor, tuple[Piece, ...]]:
    """The data of a PackedSequence and its pieces; RuntimeError for one that cannot be what it says."""
    data, batch_sizes = input.data, input.batch_sizes
    if data.dim() != 2:
        raise RuntimeError(f"input must have 2 dimensions, got {data.dim()}")
    if batch_sizes.dim() != 1 or batch_sizes.dtype != torch.int64 or batch_sizes.device.type != "cpu":
        raise RuntimeError("PackedSequence: batch_sizes must be a 1D CPU int64 tensor; make it with pack_padded_sequence or pack_sequence")
    sizes: list[int] = batch_sizes.tolist()
    if not sizes:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    if sizes[-1] < 1 or any(a < b for a, b in itertools.pairwise(sizes)):
        raise RuntimeError("PackedSequence: batch_sizes must be positive and never increase from step to step")
    if sum(sizes) != data.size(0):
        raise RuntimeError(f"PackedSequence: batch_sizes add up to {sum(sizes)} rows, but data has {data.size(0)}")
    for name, indices in (("sorted_indices", input.sorted_indices), ("unsorted_indices", input.unsorted_indices)):
        if indices is not None and sorted(indices.tolist()) != list(range(sizes[0])):
            raise RuntimeError(f"PackedSequence: {name} must hold each of 0 to {sizes[0] - 1} once")
    return data, pieces_of(sizes)


def check_tensors(tensors: Sequence[Tensor], input: Tensor, what: str) -> None:
    """The input's device and type."""
    device, dtype = input.device, input.dtype
    for t in tensors:
        if t.device != device:
            raise RuntimeError(
                f"Input and {what} tensors are not at the same device, found input tensor at {device} and {what} tensor at {t.device}"
            )
        if t.dtype is not dtype:
            raise RuntimeError(
                f"Input and {what} tensors are not the same dtype, found input tensor with {dtype} and {what} tensor with {t.dtype}"
            )


def check_computable(weight: Tensor, name: str) -> None:
    """A type that the engine computes in, on the CPU."""
    if weight.dtype not in COMPUTED and weight.is_cpu:
        raise RuntimeError(
            f"{name} computes in float32 or float64 on a CPU, and its weights are {weight.dtype}: "
            "call .float(), or move the module to another device"
        )


def readable(stack: Stack, params: Sequence[Tensor], input: Tensor, name: str) -> Sequence[Tensor]:
    """The parameters as the engine reads them: of the input's device and type, of their own shapes, and contiguous."""
    special = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    if not special and stack.expected.met(params, (input,)):
        return params
    check_computable(next(iter(params), input), name)
    check_tensors(params, input, "parameter")
    for (own, shape), t in zip(stack.tensors, params, strict=True):
        if t.shape != shape:
            raise RuntimeError(f"parameter {own} must have the shape {shape}, got {tuple(t.shape)}")
    return [t.contiguous() for t in params]


MERGES = ("concat", "sum", "mul", "ave")


def check_layers(num_layers: int, sizes: tuple[int, ...] | None) -> int:
    """How many layers there are, with the `sizes` of each where they have their own."""
    if not isinstance(num_layers, int) or num_layers < 1:
        raise ValueError("num_layers must be greater than zero")
    if sizes is None:
        return num_layers
    if not sizes or not all(isinstance(n, int) for n in sizes):
        raise ValueError(f"hidden_size must be a whole number, or one for each layer, got {list(sizes)}")
    if num_layers not in (1, len(sizes)):
        raise ValueError(f"num_layers is {num_layers}, but hidden_size has {len(sizes)} sizes, one for each layer")
    return len(sizes)


def check_joins(num_layers: int, dropout: float, residual: bool, skip: bool, merge: str, bidirectional: bool) -> None:
    """What lies between layers; as torch.nn, a warning where there is no between."""
    if not 0 <= dropout <= 1:
        raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being zeroed")
    if merge not in MERGES:
        raise ValueError(f"merge must be one of {', '.join(MERGES)}, got {merge!r}")
    if merge != "concat" and not bidirectional:
        raise ValueError(f"merge={merge!r} joins two directions: it goes with bidirectional=True")
    for name, value in (("dropout", dropout), ("skip", skip)):
        if value and num_layers == 1:
            warnings.warn(f"{name}={value} lies between layers: it does nothing with num_layers=1", stacklevel=4)


def check_rate(name: str, rate: float) -> None:
    """A probability of dropping that leaves something."""
    if not 0 <= rate < 1:
        raise ValueError(f"{name}: the rate is {rate!r}; it must be at least 0 and less than 1")
