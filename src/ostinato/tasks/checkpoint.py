"""The state of a training in a file, from which a fit goes on to the same bits. docs/model-file.md is the format."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import skorch
import torch
from numpy.typing import NDArray
from skorch.history import History
from torch import Tensor

from .. import model_file
from ..model_file import Model, ModelFileError
from .network import as_cell
from .training import Examples, Learner, at_once, batches_of

if TYPE_CHECKING:
    from .estimator import RecurrentEstimator

TASK = "checkpoint"
LOSSES = ("train_loss", "valid_loss")
Arrays = dict[str, NDArray[Any]]


class Checkpoint:
    """The file of one fit: what is trained on what, and where each network of the ensemble stands."""

    def __init__(self, path: Path, seed: int, about: Mapping[str, Any], networks: list[tuple[Arrays, dict[str, Any]]]) -> None:
        self.path, self.seed, self.about, self.networks = path, seed, about, networks

    @classmethod
    def of(cls, one: RecurrentEstimator, seed: int, examples: Examples, valid: Examples | None) -> Self:
        """The file that `one.checkpoint` names, or a new one. `seed` is for a new one.

        Raises ModelFileError for a file that is damaged, no checkpoint, or one of other parameters or data; OSError where
        nothing can be written.
        """
        if not isinstance(one.checkpoint, (str, os.PathLike)):
            raise ValueError(f"checkpoint={one.checkpoint!r} is no name of a file.")
        path = Path(one.checkpoint)
        about = description(one, examples, valid)
        if not path.exists():
            model_file.check_writable(path)  # found before the work
            return cls(path, seed, about, [])
        model = model_file.load(path)
        if model.task != TASK:
            raise ModelFileError(f"{path} is a model for the task {model.task!r}, not a checkpoint; choose another name.")
        check_same(about, model, path)
        try:
            return cls(path, int(model.training["seed"]), about, networks_of(model))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise damaged(path, error) from error

    def attach(self, learner: Learner) -> None:
        """Take the learner to where the file left it, and write the file after each of its epochs from now on."""
        if learner.number <= len(self.networks):
            try:
                restore(learner, *self.networks[learner.number - 1])
            except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
                raise damaged(self.path, error) from error
        learner.keep = self.write

    def write(self, learner: Learner) -> None:
        """Write the file as it is after an epoch of this learner."""
        self.networks[learner.number - 1 :] = [state_of(learner)]
        arrays = {f"{number}.{name}": array for number, (own, _) in enumerate(self.networks) for name, array in own.items()}
        training = {"seed": self.seed, "networks": [facts for _, facts in self.networks]}
        model_file.save(Model(TASK, arrays, training=training, **self.about), self.path, overwrite=True)


def damaged(path: Path, error: Exception) -> ModelFileError:
    return ModelFileError(f"{path} is no usable checkpoint: {model_file.one_line(error)}; remove it to begin anew.")


# ---------------------------------------------------------------- what is trained, and on what


def description(one: RecurrentEstimator, examples: Examples, valid: Examples | None) -> dict[str, Any]:
    """The fields of the file that must be the same when a fit goes on: parameters, equations, data, versions."""
    from .estimator_file import NOT_SETTINGS, programs_of

    cell = as_cell(one.cell)
    parameters = {k: as_json(v) for k, v in one.get_params(deep=False).items() if k not in NOT_SETTINGS}
    return {
        "cell": {"name": cell.name, "programs": programs_of(one, cell)},
        "settings": {"estimator": type(one).__name__, **parameters},
        "schema": {"data": digest(examples), "validation": None if valid is None else digest(valid), "versions": versions()},
    }


def as_json(value: Any) -> Any:
    """A parameter as JSON gives it back; what JSON does not know as Python prints it."""
    from .estimator_file import plain

    try:
        return json.loads(json.dumps(plain(value), allow_nan=False))
    except (TypeError, ValueError):
        return repr(value)


def versions() -> dict[str, str]:
    """Of everything that has a say in the bits."""
    ours = sys.modules[__name__.partition(".")[0]].__version__
    return {"ostinato": ours, "torch": str(torch.__version__), "numpy": np.__version__, "skorch": skorch.__version__}


def digest(examples: Examples) -> str:
    """A fingerprint of everything that a network may learn from."""
    told = hashlib.sha256()
    for rows in batches_of(examples, at_once(examples), shuffle=False):
        tell(told, examples.batch(rows))
    return told.hexdigest()


def tell(told: Any, value: Any) -> None:
    """Add a nest of tensors to a hash."""
    if isinstance(value, Tensor):
        told.update(f"{value.dtype}{tuple(value.shape)}".encode())
        told.update(value.cpu().numpy().tobytes())
    elif isinstance(value, Mapping):
        tell(told, sorted(value.items()))
    elif isinstance(value, (list, tuple)):
        told.update(f"{len(value)}".encode())
        for item in value:
            tell(told, item)
    else:
        told.update(repr(value).encode())


def check_same(about: Mapping[str, Any], model: Model, path: Path) -> None:
    """Raise ModelFileError, with what differs, where a checkpoint is not of this fit."""
    for key in sorted(set(about["settings"]) | set(model.settings)):
        ours, theirs = about["settings"].get(key), model.settings.get(key)
        if ours != theirs:
            raise another(path, f"{key}={theirs!r}", f"this one has {key}={ours!r}")
    if model.cell != about["cell"]:
        raise another(path, "other equations of the cell, or for other sizes", f"this one runs {about['cell']['name']}")
    for name, ours in about["schema"]["versions"].items():
        theirs = (model.schema.get("versions") or {}).get(name)
        if ours != theirs:
            raise another(path, f"{name} {theirs}", f"this is {name} {ours}, whose numbers may differ")
    for name, words in (("data", "other data"), ("validation", "other data for validation")):
        if model.schema.get(name) != about["schema"][name]:
            raise another(path, words, "a fit goes on only with the very same")


def another(path: Path, theirs: str, ours: str) -> ModelFileError:
    return ModelFileError(f"{path} is the checkpoint of a fit with {theirs}; {ours}. Remove the file, or name another.")


# ---------------------------------------------------------------- where a network stands


def state_of(learner: Learner) -> tuple[Arrays, dict[str, Any]]:
    """Everything that the next epoch depends on: arrays, and the rest as JSON. To be called while it trains."""
    trainer = learner.trainer
    tensors: dict[str, Tensor] = {f"network.{name}": value for name, value in learner.network.state_dict().items()}
    if learner.patience is not None:
        tensors |= {f"best.{name}": value for name, value in learner.patience.best_weights.items()}
    state: dict[str, dict[str, Any]] = {}
    told = trainer.optimizer_.state_dict()
    for index, values in told["state"].items():
        state[str(index)] = {name: value for name, value in values.items() if not isinstance(value, Tensor)}
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items() if isinstance(value, Tensor)}
    tensors |= {f"random.{name}": value for name, value in learner.random_now().items()}
    arrays: Arrays = {name: value.detach().cpu().numpy().copy() for name, value in tensors.items()}
    kept = [name for name in (*LOSSES, "dur") if name in trainer.history[0]]
    arrays |= {f"history.{name}": np.array(trainer.history[:, name], np.float64) for name in kept}
    schedule = None if learner.schedule is None else finite(learner.schedule.scheduler.state_dict())
    return arrays, {"optimizer": {"state": state, "groups": told["param_groups"]}, "schedule": schedule}


def finite(state: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule's state without its infinite constants, which its constructor sets again."""
    return {name: value for name, value in state.items() if not isinstance(value, float) or math.isfinite(value)}


def networks_of(model: Model) -> list[tuple[Arrays, dict[str, Any]]]:
    """The arrays and facts of each network that has begun."""
    facts = model.training["networks"]
    arrays: list[Arrays] = [{} for _ in facts]
    for key, array in model.tensors.items():
        number, _, name = key.partition(".")
        arrays[int(number)][name] = array.copy()
    return list(zip(arrays, facts, strict=True))


def restore(learner: Learner, arrays: Arrays, facts: Mapping[str, Any]) -> None:
    """The reverse of `state_of`, for a learner just made. Raises ValueError and the like for what does not fit it."""
    trainer = learner.trainer
    best, weights = part(arrays, "best."), part(arrays, "network.")
    if learner.patience is not None:
        learner.network.load_state_dict(best)  # refuses other names and shapes
        learner.patience.best_weights = {name: value.to(learner.settings.device) for name, value in best.items()}
    learner.network.load_state_dict(weights)
    restore_optimizer(trainer.optimizer_, part(arrays, "optimizer."), facts["optimizer"])
    if learner.schedule is not None:
        learner.schedule.start(trainer.optimizer_)
        known = learner.schedule.scheduler.state_dict().keys()
        learner.schedule.scheduler.load_state_dict({name: value for name, value in facts["schedule"].items() if name in known})
        restore_groups(trainer.optimizer_, facts["optimizer"]["groups"])  # the schedule has set its first learning rate
    restore_history(learner, {name: value.numpy() for name, value in part(arrays, "history.").items()})
    learner.random = part(arrays, "random.")
    torch.Generator().set_state(learner.random["cpu"])  # refuses what is no state


def part(arrays: Arrays, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): torch.from_numpy(array) for name, array in arrays.items() if name.startswith(prefix)}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Give an optimiser the state and the settings that it had."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in facts["state"].items()}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        own = parameters[int(index)]
        if value.dim() not in (0, own.dim()) or any(size not in (1, whole) for size, whole in zip(value.shape, own.shape, strict=False)):
            raise ValueError(f"its optimiser's {name!r} has the shape {tuple(value.shape)} for a weight of {tuple(own.shape)}")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    restore_groups(optimizer, facts["groups"])


def restore_groups(optimizer: torch.optim.Optimizer, groups: list[Mapping[str, Any]]) -> None:
    for own, kept in zip(optimizer.param_groups, groups, strict=True):
        for name in kept.keys() - {"params"}:
            value = tuple(kept[name]) if isinstance(own.get(name), tuple) else kept[name]
            if isinstance(own.get(name), (int, float)) and not isinstance(value, (int, float)):
                raise ValueError(f"its optimiser's {name!r} is {value!r}")
            own[name] = value


def restore_history(learner: Learner, columns: Mapping[str, NDArray[np.float64]]) -> None:
    """skorch's history by epoch, without that of the batches; and what its callbacks remember of it."""
    trainer, epochs = learner.trainer, len(columns["dur"])
    if not 1 <= epochs <= learner.settings.max_epochs or ("valid_loss" in columns) != (learner.patience is not None):
        raise ValueError(f"it has {epochs} epochs of {learner.settings.max_epochs}")
    rows = [{"batches": [], "epoch": number + 1} for number in range(epochs)]
    for name, values in columns.items():
        for row, value in zip(rows, values.tolist(), strict=True):
            row[name] = value
    trainer.history = History(rows)
    for name, callback in trainer.callbacks_:
        if name in LOSSES and name in columns:
            callback.best_score_ = columns[name].min()
    learner.seconds = math.fsum(columns["dur"])
