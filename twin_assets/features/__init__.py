"""The features stage: collected documents become clean Markdown, bounded passages and vectors."""
