from collections import Counter

from twin_assets.features.html import html_to_markdown, is_html

PAGE = """<!doctype html><html><head><title>x</title></head><body>
<header><a href="/">Dull Hardware</a></header>
<nav><ul><li><a href="/">Home</a></li></ul></nav>
<div class="cookie-banner">We use cookies. <button>Accept all</button></div>
<main><article><header><h1>Queues &amp; loans</h1><p class="byline">By Mira Voss</p></header>
<p>You can <em>subscribe</em> to a <a href="https://kafka.example">topic</a>, and you don't
need more. It's “simple”.</p>
<pre><code class="language-python">def f(a):
    # Subscribe
    return "```" if a &lt; 1 else a_b * c

</code></pre>
<p>Use <code>x = a_b * c</code>.</p>
<ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul>
<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>
<div class="share-buttons"><a href="#">Share</a></div>
</article></main><section id="comments"><p>Great post!</p></section>
<footer>© 2024 Mira Voss</footer><script>var a = 1</script></body></html>"""


def test_a_page_becomes_the_markdown_of_its_article(cleaned_text):
    assert cleaned_text(PAGE, media_type="text/html") == (
        "# Queues & loans\n\n"
        "You can *subscribe* to a topic, and you don't need more. It's “simple”.\n\n"
        '````python\ndef f(a):\n    # Subscribe\n    return "```" if a < 1 else a_b * c\n\n````\n\n'
        "Use `x = a_b * c`.\n\n"
        "- one\n  - inner\n- two\n\n"
        "| a |\n| --- |\n| 1 |"
    )


def test_each_element_dropped_has_its_reason():
    dropped: Counter[str] = Counter()
    html_to_markdown(PAGE, dropped)

    assert {"cookie notice", "navigation", "byline", "subscribe and share", "comments", "footer"} == dropped.keys()


def test_a_class_name_alone_does_not_drop_most_of_a_page():
    text = html_to_markdown("<body><div class='share-layout'><p>All of it is here.</p></div></body>", Counter())

    assert text == "All of it is here."


def test_preformatted_text_without_a_language_keeps_its_line_breaks():
    assert html_to_markdown("<pre>\na\n\n  b</pre>", Counter()) == "```\na\n\n  b\n```"


def test_a_placeholder_is_no_html():
    assert not is_html("<your-token>")
    assert is_html("<!-- note -->")
    assert is_html("<p align='center'>")


def test_end_tags_may_be_omitted_where_html_allows_it():
    paragraphs = [f"Paragraph {number}." for number in range(400)]

    assert html_to_markdown("".join(f"<p>{text}" for text in paragraphs), Counter()) == "\n\n".join(paragraphs)
    assert html_to_markdown("<ul><li>a<li>b</ul>", Counter()) == "- a\n- b"
