"""Benchmark of films: rendered walkers of real forces, and what is made of them."""
