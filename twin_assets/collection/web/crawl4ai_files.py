"""Where crawl4ai keeps its files: in a temporary folder, and not in the home of whoever runs it."""

import os
from functools import cache
from tempfile import TemporaryDirectory


@cache
def keep_crawl4ai_out_of_home() -> TemporaryDirectory[str]:
    """Give crawl4ai a folder that goes when the process ends, and turn its advertisement off.

    To be called before crawl4ai is imported, because it makes its folders then.
    """
    folder = TemporaryDirectory(prefix="crawl4ai-")
    os.environ["CRAWL4_AI_BASE_DIRECTORY"] = folder.name
    os.environ["CRAWL4AI_NO_CLOUD_NOTICE"] = "1"
    return folder
