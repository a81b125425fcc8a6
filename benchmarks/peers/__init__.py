"""The same recurrent layer in each library: one file a library, one table beside `python -m benchmarks.peers`."""
