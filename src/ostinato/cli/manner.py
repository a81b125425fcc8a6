"""How a job is to be done, whatever it is."""

from __future__ import annotations

from dataclasses import dataclass

from .answers import say


@dataclass(frozen=True)
class Manner:
    """What the person wants to see, and whether files may be replaced."""

    overwrite: bool = False
    json: bool = False
    quiet: bool = False
    verbose: bool = False

    def tell(self, text: str) -> None:
        """What they ought to know."""
        if not self.quiet:
            say(text)

    def detail(self, text: str) -> None:
        """What they asked to know with --verbose."""
        if self.verbose and not self.quiet:
            say(text)
