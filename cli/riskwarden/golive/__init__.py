"""The go-live checklist: pure judgements of what was seen, and the rim that looks."""
