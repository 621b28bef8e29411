"""Training of bark-mini, the bundled model, from scratch with Debian packages only."""
