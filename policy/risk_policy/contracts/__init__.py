"""What two components share and neither owns: formats on the wire, on disk and in memory."""
