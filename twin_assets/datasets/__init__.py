"""Datasets: instruction and preference pairs, every one of them grounded in a passage that the author wrote."""
