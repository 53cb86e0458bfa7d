"""What every runtime tells the receivers: kept on disk first, offered until they have it."""
