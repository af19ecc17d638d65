"""Removing an author: what is held where, how it is archived, and how it goes. The command stands in `console`."""
