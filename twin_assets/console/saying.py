"""Sentences to the person at the command line: what was done, and what they may want to mend."""

from rich.console import Console


def say(sentence: str) -> None:
    """Write a sentence to standard output, as it is."""
    Console().print(sentence, markup=False, highlight=False, soft_wrap=True)


def complain(sentence: str) -> None:
    """Write a sentence to standard error, in yellow: nothing failed, but somebody should know."""
    Console(stderr=True, style="yellow").print(sentence, markup=False, highlight=False, soft_wrap=True)
