"""Collection: from an author's sources to raw documents in the warehouse.

Reading author files, the sources and the dump format live here. Changing the text of a document does not: that is the
`features` room's work.
"""
