"""The embedded default: a PostgreSQL and a Valkey of our own, started for whoever needs them (no Django here).

``stack.join`` is the entry; ``keeper`` is the process that owns both servers and stops them with their last user.
"""
