"""What a document says: claims with their place, their owner and their value."""
