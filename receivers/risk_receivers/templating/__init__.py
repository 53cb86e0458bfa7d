"""Messages in words: Jinja2 templates, the built-in ones and those of the user.

Nothing here may lose a message: whatever a user's template does, people are told in the
built-in words.
"""
