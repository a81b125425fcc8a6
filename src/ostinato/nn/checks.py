"""What can be wrong with a call's arguments, said as torch.nn says it where torch.nn says it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .call import Piece, pieces_of

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


def valid_steps(lengths: Tensor | Sequence[int], length: int, batch: int, like: Tensor) -> Tensor:
    """1 where a row's step is within its length, otherwise 0: (time, batch, 1)."""
    lengths = torch.as_tensor(lengths)
    if lengths.dtype.is_floating_point or lengths.dtype.is_complex or lengths.dtype == torch.bool:
        raise TypeError(f"lengths must be whole numbers, got {lengths.dtype}")
    if lengths.shape != (batch,):
        raise ValueError(f"lengths must have shape ({batch},), one for each sequence, got {list(lengths.shape)}")
    if not torch.compiler.is_compiling() and batch:
        low, high = (int(v) for v in lengths.aminmax())
        if low < 0 or high > length:
            raise ValueError(f"lengths must lie between 0 and the {length} steps of the input, got {low if low < 0 else high}")
    steps = torch.arange(length, device=like.device)[:, None]
    return (steps < lengths.to(like.device)).to(like.dtype)[..., None]


def reset_steps(reset: Tensor, shape: tuple[int, ...], batch_first: bool, like: Tensor) -> Tensor:
    """The flags, of the shape of the input without its features, as numbers (time, batch, 1), or packed (rows, 1)."""
    reset = torch.as_tensor(reset)
    if reset.shape != shape:
        raise ValueError(f"reset must have the input's shape without its features, {list(shape)}, got {list(reset.shape)}")
    if reset.dtype.is_complex:
        raise TypeError(f"reset must be true or false, or numbers, got {reset.dtype}")
    flags = (reset != 0).to(like)
    return (flags.transpose(0, 1) if batch_first else flags)[..., None]


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
