"""The authors partition: one partition per author, added when an author file appears.

Slugs are checked by `documents.checked_slug`; reading author files belongs to `collection.authors`.
"""

import dagster as dg

AUTHORS_PARTITION = "authors"

authors_partitions = dg.DynamicPartitionsDefinition(name=AUTHORS_PARTITION)
