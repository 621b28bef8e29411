"""Coverage-guided fuzzing of everything that parses bytes or text from outside."""
