"""One changed document among 10,000: what is embedded, how long it takes, and how much memory."""

import tempfile
from pathlib import Path

from benchmarks.corpora import edited, generated_documents
from benchmarks.figures import Figures
from benchmarks.pipeline import Baseline, clean_and_chunk, convert_the_model, embed_and_index, new_splitter
from benchmarks.timing import peak_megabytes, seconds_of

DOCUMENTS = 10_000


def run(figures: Figures) -> None:
    """Measure the first indexing of many short documents, and the next one after an edit of one of them."""
    raw = generated_documents(DOCUMENTS, sentences=6)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        convert_the_model(home)
        splitter = new_splitter()
        prepared = seconds_of(lambda: clean_and_chunk(raw, splitter), runs=1)
        _, chunks = clean_and_chunk(raw, splitter)
        full = prepared + seconds_of(lambda: embed_and_index(home, chunks), runs=1)
        # The straightforward way does everything again, whatever has changed; a tenth of it tells how long that takes.
        tenth = chunks[: len(chunks) // 10]
        straightforward = prepared + 10 * seconds_of(lambda: Baseline(home).embed_and_index(tenth), runs=1)
        before = peak_megabytes()
        # Every document of the author is cleaned and cut again, as the assets do: what is boilerplate, and what repeats
        # what, only all of them together tell.
        cut = []
        redone = seconds_of(lambda: cut.append(clean_and_chunk([edited(raw[0]), *raw[1:]], splitter)[1]), runs=1)
        [changed] = cut
        synced = []
        step = seconds_of(lambda: synced.append(embed_and_index(home, changed)), runs=1)
    new = {chunk.chunk_id for chunk in changed} - {chunk.chunk_id for chunk in chunks}
    figures.note(f"{DOCUMENTS:,} documents: clean and chunk; all features", f"{prepared:.1f} s; {full:.1f} s")
    figures.note("the same, straightforward", f"{straightforward:.1f} s")
    figures.note("1 changed document: clean and chunk all again; embed and index", f"{redone:.1f} s; {step:.1f} s")
    figures.ratio(
        "1 changed document: passages embedded, of its own", synced[0].added / len(new), at_least=1, at_most=1
    )
    figures.ratio(
        "1 changed document: time of embed and index, against all again, straightforward",
        step / straightforward,
        at_most=0.02,
    )
    figures.note("1 changed document: the same, against this platform's own first run", f"{step / full:8.3f}")
    figures.note("1 changed document: with clean and chunk, against the first run", f"{(redone + step) / full:8.3f}")
    figures.ratio("1 changed document: peak memory, against the first run", peak_megabytes() / before, at_most=1.25)
