"""Mutated input for every parser of both programs: only declared errors may come of it."""
