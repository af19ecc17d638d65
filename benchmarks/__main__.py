"""Run every benchmark; exit with 1 if a target is missed."""

import os
import sys

# Read when the libraries are imported: nothing is downloaded, and no bar runs into the figures.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

from benchmarks import (
    datasets,
    features,
    growth,
    near_duplicates,
    one_change,
    orchestration,
    start_up,
    ticks,
    training,
)
from benchmarks.figures import Figures

figures = Figures()
for benchmark in (start_up, growth, near_duplicates, datasets, features, one_change, orchestration, ticks, training):
    benchmark.run(figures)
sys.exit(1 if figures.missed else 0)
