"""`ostinato.accelerate` on a library that knows nothing of it: NeuralForecast's RNN, GRU and LSTM on Seattle's weather.

    pip install neuralforecast && python benchmarks/swapped_neuralforecast.py [--steps 200]

Fits each model twice from the same seed, as it comes and swapped, in turns, and compares the curve of the training loss and the
time to fit. Dropout is off: between layers ours draws other numbers than torch's.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings

import numpy as np
import torch
from neuralforecast import NeuralForecast
from neuralforecast.models import GRU, LSTM, RNN

import ostinato
from ostinato.data import load

SETTINGS = {
    "h": 7, "input_size": 28, "inference_input_size": 28, "encoder_hidden_size": 128, "encoder_n_layers": 2, "encoder_dropout": 0.0,
    "batch_size": 1, "windows_batch_size": 64, "learning_rate": 1e-3, "random_seed": 1, "accelerator": "cpu",
    "enable_progress_bar": False, "logger": False, "enable_checkpointing": False, "enable_model_summary": False,
}  # fmt: skip


def fit(kind: type, steps: int, swap: bool) -> tuple[np.ndarray, float, str, np.ndarray]:
    """The losses, the seconds, what was swapped, and the forecast."""
    frame = load("seattle-weather")[["unique_id", "ds", "y"]]
    model = kind(max_steps=steps, **SETTINGS)
    told = str(ostinato.accelerate(model)) if swap else ""
    forecaster = NeuralForecast(models=[model], freq="D")
    began = time.perf_counter()
    forecaster.fit(frame, val_size=0)
    took = time.perf_counter() - began
    losses = np.array([loss for _, loss in forecaster.models[0].train_trajectories])
    return losses, took, told, forecaster.predict()[kind.__name__].to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    wishes = parser.parse_args()
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(2)
    for kind in (RNN, GRU, LSTM):
        seconds: dict[bool, list[float]] = {False: [], True: []}
        curves: dict[bool, np.ndarray] = {}
        said: dict[bool, np.ndarray] = {}
        for _ in range(wishes.rounds):
            for swap in (False, True):
                curves[swap], took, told, said[swap] = fit(kind, wishes.steps, swap)
                seconds[swap].append(took)
        theirs, ours = (statistics.median(seconds[swap]) for swap in (False, True))
        far, apart = np.abs(curves[True] / curves[False] - 1).max(), np.abs(said[True] - said[False]).max()
        print(f"{kind.__name__}: {told}; loss {curves[False][0]:.4f} to {curves[False][-1]:.4f}")
        print(f"  swapped: losses within {far:.1e} of those, forecasts within {apart:.1e} °C")
        print(f"  {theirs:.2f} s as it comes, {ours:.2f} s swapped: {theirs / ours:.2f} times faster")


if __name__ == "__main__":
    main()
