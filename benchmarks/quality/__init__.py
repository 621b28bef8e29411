"""What streaming and long texts cost in quality."""
