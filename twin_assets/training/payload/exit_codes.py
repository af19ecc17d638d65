"""What the payload ends with, for whoever started it; 0 is a checkpoint that is in its place."""

REFUSED = 2
"""A spec, dataset or result was refused with a reason: a retry cannot help."""

STORAGE_EXIT_CODE = 75
"""A store is away: EX_TEMPFAIL of sysexits.h. A training that was under way then goes on from its last checkpoint on
the way."""
