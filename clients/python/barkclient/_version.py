"""The version of barkclient and barkserve, which are released together."""

__version__ = "0.1.0"
