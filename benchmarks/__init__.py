"""The figures that the documents name, measured: `python -m benchmarks` lists and runs them."""
