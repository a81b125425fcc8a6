"""A cell of one's own: written in ten lines, checked, trained on the adding problem, then on real weather.

    python examples/new_cell.py

Needs the extra ``tasks``. Takes about a minute on two cores.
"""

from __future__ import annotations

import torch

import ostinato as ost
from ostinato.data import load
from ostinato.nn import Recurrent
from ostinato.tasks import Forecaster, Linear, score


@ost.cell
def janet(x, h, *, beta=1.0):
    """Forget gate alone. van der Westhuizen and Lasenby, arXiv:1804.04849, 2018."""
    s = ost.affine("forget", x, h)
    n = ost.tanh(ost.affine("new", x, h))
    return ost.sigmoid(s) * h + (1 - ost.sigmoid(s - beta)) * n


def adding(batch: int, length: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Sequences (time, batch, 2) of numbers and two marks; the target is the sum of the marked numbers."""
    numbers = torch.rand(length, batch, generator=generator)
    marks = torch.zeros(length, batch)
    half = length // 2
    for low in (0, half):
        marks[torch.randint(half, (batch,), generator=generator) + low, torch.arange(batch)] = 1
    return torch.stack([numbers, marks], dim=2), (numbers * marks).sum(0)


class Adder(torch.nn.Module):
    def __init__(self, cell: ost.Cell, length: int) -> None:
        super().__init__()
        # chrono: forget gates start with memories of up to `max_time` steps (Tallec and Ollivier 2018)
        self.layer = Recurrent(cell, input_size=2, hidden_size=64, init={"chrono": {"max_time": length}})
        self.head = torch.nn.Linear(64, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x)[0][-1]).squeeze(1)


def learn_to_add(cell: ost.Cell, length: int = 200, steps: int = 1500) -> float:
    """The mean squared error on new sequences; saying 1 every time gives 0.167."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = Adder(cell, length)
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    for step in range(1, steps + 1):
        x, target = adding(64, length, generator)
        loss = torch.nn.functional.mse_loss(model(x), target)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 250 == 0:
            print(f"  step {step}: mean squared error {loss.item():.4f}", flush=True)
    with torch.no_grad():
        x, target = adding(1000, length, generator)
        return float(torch.nn.functional.mse_loss(model(x), target))


def forecast_weather(cell: ost.Cell) -> None:
    """Seven days ahead from each day of 2015, having learned from 2012 to 2014."""
    weather = load("seattle-weather")
    for one in (Linear(), Forecaster(cell, random_state=0)):
        said = one.cross_validation(weather, 7, n_windows=359, step_size=1)
        print(f"  {one.column:>8}: mean absolute error {score(said, one.column).mae:.3f} °C")


def main() -> None:
    print(ost.check(janet, input_size=2, hidden_size=64))
    print("\nThe adding problem over 200 steps; saying 1 every time gives 0.167:")
    print(f"  on 1000 new sequences: {learn_to_add(janet):.4f}")
    print("\nSeattle's highest temperature of the day, 7 days ahead:")
    forecast_weather(janet)


if __name__ == "__main__":
    main()
