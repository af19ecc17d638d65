"""The command line: what `twin` does, on the instance that the Dagster UI shows.

`cli` parses, `commands` do, `building` plans and runs. Nothing here is imported by an asset.
"""
