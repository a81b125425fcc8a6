"""The data sets that come with the package: where each is from, under which licence, and its digest.

Nothing here needs more than the standard library until numbers are asked for: `frame` needs pandas, `sequences` NumPy.
"""

from .catalogue import DATA_SETS, find, find_kind, load
from .errors import DataError, nearest
from .published import DataSet, Published
from .sequences import LabelledSequences
from .series import ForecastTask, SeriesTable

__all__ = [
    "DATA_SETS",
    "DataError",
    "DataSet",
    "ForecastTask",
    "LabelledSequences",
    "Published",
    "SeriesTable",
    "find",
    "find_kind",
    "load",
    "nearest",
]
