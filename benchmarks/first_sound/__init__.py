"""Time from a clone to sound, as a new user has it."""
