"""Errors inside a simulation. They never leave it."""


class ReplicaLost(Exception):
    """The replica of a running stream was lost; the stream continues on another one."""
