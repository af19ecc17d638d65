"""One changed document among 10,000: what is embedded, how long it takes, and how much memory."""

import tempfile
from pathlib import Path

from benchmarks.corpora import edited, generated_documents
from benchmarks.figures import Figures
from benchmarks.pipeline import clean_and_chunk, embed_and_index, new_splitter
from benchmarks.timing import peak_megabytes, seconds_of

DOCUMENTS = 10_000


def run(figures: Figures) -> None:
    """Measure the first indexing of many short documents, and the next one after an edit of one of them."""
    raw = generated_documents(DOCUMENTS, sentences=6)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        splitter = new_splitter()
        prepared = seconds_of(lambda: clean_and_chunk(raw, splitter), runs=1)
        _, chunks = clean_and_chunk(raw, splitter)
        full = prepared + seconds_of(lambda: embed_and_index(home, chunks), runs=1)
        before = peak_megabytes()
        # Cheap work is redone, not looked up: every document of the author is cleaned and cut again, as the assets do.
        cut = []
        redone = seconds_of(lambda: cut.append(clean_and_chunk([edited(raw[0]), *raw[1:]], splitter)[1]), runs=1)
        [changed] = cut
        synced = []
        step = seconds_of(lambda: synced.append(embed_and_index(home, changed)), runs=1)
    new = {chunk.chunk_id for chunk in changed} - {chunk.chunk_id for chunk in chunks}
    figures.note(f"{DOCUMENTS:,} documents: clean and chunk; all features", f"{prepared:.1f} s; {full:.1f} s")
    figures.note("1 changed document: clean and chunk all again; embed and index", f"{redone:.1f} s; {step:.1f} s")
    figures.ratio(
        "1 changed document: passages embedded, of its own", synced[0].added / len(new), at_least=1, at_most=1
    )
    figures.ratio("1 changed document: time of embed and index, against all features", step / full, at_most=0.02)
    figures.ratio("1 changed document: peak memory, against the first run", peak_megabytes() / before, at_most=1.25)
