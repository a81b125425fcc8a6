"""Random numbers as a function of a counter: Philox4x32-10 (Salmon et al. 2011), as the engine draws them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_MASK = np.uint64(0xFFFFFFFF)


def philox4x32(counter: npt.NDArray[np.uint64], key: tuple[int, int]) -> npt.NDArray[np.uint64]:
    """Ten rounds over counters (…, 4) of 32-bit words kept in 64 bits; returns the same shape."""
    c0, c1, c2, c3 = (counter[..., k].astype(np.uint64) for k in range(4))
    k0, k1 = np.uint64(key[0]), np.uint64(key[1])
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p1 >> np.uint64(32)) ^ c1 ^ k0, p1 & _MASK, (p0 >> np.uint64(32)) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & _MASK, (k1 + np.uint64(0xBB67AE85)) & _MASK
    return np.stack([c0, c1, c2, c3], -1)


def uniform(seed: int, stream: int, step: int | None, batch: int, width: int) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1), (batch, width), of 24 bits each; `step` is None for one draw a sequence."""
    counter = np.zeros((batch, (width + 3) // 4, 4), np.uint64)
    counter[..., 0] = np.arange(counter.shape[1])
    counter[..., 1] = stream & 0xFFFFFFFF
    counter[..., 2] = np.arange(batch)[:, None]
    counter[..., 3] = 0xFFFFFFFF if step is None else step & 0xFFFFFFFF
    words = philox4x32(counter, (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)).reshape(batch, -1)[:, :width]
    return (words >> np.uint64(8)).astype(np.float64) * 2.0**-24
