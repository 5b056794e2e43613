"""Benchmarks: ``make bench`` runs them all, side by side with a peer where there is one, and writes ``bench/results.json``."""
