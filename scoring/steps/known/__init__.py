"""What the portal knew at a moment: temporary relations that stand before the tables of the same name."""
