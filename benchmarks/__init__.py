"""What is fast and what is not: `python -m benchmarks` measures, `python -m benchmarks.page` writes it into the pages."""
