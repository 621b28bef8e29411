"""Text input: buffering, and segmentation into parts that one generation can speak."""
