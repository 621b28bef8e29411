"""The models as they are trained."""
