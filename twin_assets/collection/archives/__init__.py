"""Export archives: what a service hands out when its user asks for a copy of their own data.

`reading` opens an archive safely, `source` is the source that an author file names, and each service has a module that
knows the structure of its archive and nothing else.
"""
