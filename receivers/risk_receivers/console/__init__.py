"""The operator console: pages, scripts and styles. They hold no data and ask the API for all."""
