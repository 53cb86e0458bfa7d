"""A document as a typed tree, and its forms: Markdown, HTML and PDF.

Whoever writes a report says what it holds (`model`), and never how that looks.
"""
