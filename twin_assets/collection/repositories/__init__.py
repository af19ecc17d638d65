"""Git repositories, on other machines or on this one.

`addresses` tells what may be asked, `git` asks it, `selection` decides which files count, and `source` is the source
that an author file names.
"""
