"""Timings as ratios taken in one run; nothing here asserts. ``python -m tests.bench``."""
