"""Pages of what we conclude."""
