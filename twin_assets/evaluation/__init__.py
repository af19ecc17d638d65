"""How near a twin comes to its author: style, likeness, perplexity, retrieval, the promotion gate and the reports.

The logic in here is pure: numbers and texts in, numbers and texts out. Assets and checks stand beside it and do the
reading and storing; models are run in `training`, never here.
"""
