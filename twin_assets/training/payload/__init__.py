"""The payload: the program that trains, on whatever machine it is started.

It reads a `TrainingSpec`, trains, reports through Dagster Pipes if Dagster started it, and leaves a checkpoint with a
manifest. It never imports Dagster, and knows nothing of who launched it. Only here are torch, transformers, trl and
peft imported at module level.
"""
