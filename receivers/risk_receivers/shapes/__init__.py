"""What the API answers with, as types: what the views make and what its document describes."""
