"""The asset graph that turns a person's writings into an LLM Twin: one package per stage.

Start reading at `definitions.py`, the composition root; `documents.py` holds what flows between the stages.
"""
