"""The models in the shape that is trained."""
