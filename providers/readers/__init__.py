"""From bytes to typed columns, or to faults a person can mend. No database here."""
