"""Recurrent layers for PyTorch: torch.nn's own classes under their own names, and `Recurrent` for any cell."""

from .initial import init_
from .layers import GRU, LSTM, RNN
from .lazy import LazyRecurrent
from .onestep import GRUCell, LSTMCell, RNNCell
from .recurrent import Recurrent
from .swap import accelerate, restore
from .threads import share_torchs_threads

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "LazyRecurrent", "RNNCell", "Recurrent", "accelerate", "init_", "restore"]

share_torchs_threads()
