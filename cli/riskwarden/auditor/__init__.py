"""What auditors run on machines of their own: one file, with no import of the project."""
