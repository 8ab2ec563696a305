"""Benchmarks; ``python tools/bench`` lists them."""
