"""Collecting from sites: pages, sitemaps, feeds, Medium and Substack.

`source` holds the kinds of source and `crawl` leads one crawl; `listings`, `feeds` and `sitemaps` find out which pages
there are. `fetcher` asks a host politely, over `transport`, which asks once. `static` and `browser` are crawl4ai's two
ways to a page. What a page says is read in `extraction` and `metadata`, which ask nobody.
"""
