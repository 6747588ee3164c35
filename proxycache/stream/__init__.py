"""Response bodies: one cursor, one state machine, one producer at a time."""
