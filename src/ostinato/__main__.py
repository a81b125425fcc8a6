"""``python -m ostinato``, the same as ``ostinato``."""

from .cli import main

main()
