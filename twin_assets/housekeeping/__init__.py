"""Housekeeping: what may be deleted because nobody needs it any more. Pure decisions; the job is `jobs.housekeeping`.

What a person asked to keep, what is in use, and what is younger than the policy says is never among it.
"""
