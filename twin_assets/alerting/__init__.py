"""Telling people: what an alert says, through which channels it goes, and what has not arrived yet.

What is worth an alert is decided by the sensor in `jobs.alerts`. Nothing here knows Dagster.
"""
