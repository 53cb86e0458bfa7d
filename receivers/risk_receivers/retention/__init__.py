"""How long the service's own tables keep what is over. The audit chain has rules of its own."""
