"""How days and times are written where Django writes them itself, the same as on the portal's own pages."""
