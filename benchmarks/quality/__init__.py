"""Quality of streaming, long texts and word times."""
