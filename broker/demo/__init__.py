"""A login's whole life, shown with the real programs in a home that is thrown away."""
