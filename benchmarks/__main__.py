"""Run every benchmark."""

from benchmarks import features, start_up

for benchmark in (start_up, features):
    benchmark.run()
