"""Cleaning and chunking: megabytes per second, and how time and memory grow with the number of documents.

Each size runs in a process of its own (`python -m benchmarks.growth 1000`), so that peaks do not mix.
"""

import json
import subprocess
import sys

from benchmarks.corpora import generated_documents
from benchmarks.figures import Figures
from benchmarks.pipeline import clean_and_chunk, new_splitter
from benchmarks.timing import peak_megabytes, seconds_of

SIZES = (100, 1_000, 10_000)


def run(figures: Figures) -> None:
    """Measure each size; time and memory per document must not grow."""
    measured = {size: _in_a_process(size) for size in SIZES}
    for size, one in measured.items():
        speed = one["megabytes"] / one["seconds"]
        figures.note(f"clean and chunk {size:,} documents", f"{speed:.2f} MB/s, {one['peak_megabytes']:.0f} MB at most")
    small, middle, large = (measured[size] for size in SIZES)
    times = (large["seconds"] / SIZES[2]) / (middle["seconds"] / SIZES[1])
    figures.ratio(f"time per document, {SIZES[2]:,} against {SIZES[1]:,}", times, at_most=1.3)
    grown = (large["peak_megabytes"] - small["peak_megabytes"]) / (SIZES[2] - SIZES[0])
    early = max(0.001, (middle["peak_megabytes"] - small["peak_megabytes"]) / (SIZES[1] - SIZES[0]))
    figures.ratio("memory per further document, late against early", grown / early, at_most=1.3)


def _in_a_process(size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.growth", str(size)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(finished.stdout))


def _measure(size: int) -> dict[str, float]:
    raw = generated_documents(size, sentences=8)
    splitter = new_splitter()
    clean_and_chunk(raw[:20], splitter)
    seconds = seconds_of(lambda: clean_and_chunk(raw, splitter), runs=3 if size <= 1_000 else 1)
    megabytes = sum(len(document.text or "") for document in raw) / 1e6
    return {"seconds": seconds, "megabytes": megabytes, "peak_megabytes": peak_megabytes()}


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))
