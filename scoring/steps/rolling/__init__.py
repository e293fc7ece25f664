"""The parts of the roll-up: who carries what, sums of facts, derived measures, rows that differ."""
