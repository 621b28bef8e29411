"""The codec stage: codes to samples."""
