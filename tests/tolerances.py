"""Every tolerance of the test suite, in one place.

A distance is ‖ours − oracle‖ / ‖oracle‖ over a whole tensor, the oracle in float64.
"""

import numpy as np

VALUES = {"float32": 1e-6, "float64": 1e-12}
GRADIENTS = {"float32": 3e-6, "float64": 1e-12}
TIMES_TORCH = 2.0  # never more than this many times torch's own distance from the float64 oracle, as a geometric mean
UNIT = {"float32": 2.0**-23, "float64": 2.0**-52}  # of a small state: a difference of numbers near 1 is rounded as 1 is
SECONDS = {"float64": 1e-10}  # second derivatives
STEPPED = {"float64": 1e-9}  # parameters after a few steps of an optimiser, which magnify differences
DIFFERENCES = 1e-6  # central differences in float64 against a derivative


def distance(ours, oracle):
    """‖ours − oracle‖ / ‖oracle‖; where the oracle is zero, ‖ours‖."""
    ours, oracle = np.asarray(ours, np.float64), np.asarray(oracle, np.float64)
    assert ours.shape == oracle.shape, f"shapes {ours.shape} and {oracle.shape}"
    scale = np.linalg.norm(oracle)
    return float(np.linalg.norm(ours - oracle) / (scale if scale > 0 else 1.0))


COVERAGE = 0.05  # of intervals on some hundred moments that follow each other, beside what was promised
SAME_SOUND = 1 / 32768  # of samples, after a file of 16 bits
