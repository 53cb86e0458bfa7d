"""What happens, as it happens: to whoever keeps a connection open."""
