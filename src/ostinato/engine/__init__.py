"""Programs on the native engine, with NumPy arrays in and out."""

from .arrays import Training, forward, train
from .executable import Executable, Loaded, get_num_threads, set_num_threads

__all__ = ["Executable", "Loaded", "Training", "forward", "get_num_threads", "set_num_threads", "train"]
