"""Rows of other tools: the forms in which they come and go, the files they lie in, and what is wrong with a file."""
