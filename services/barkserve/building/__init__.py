"""One module per service, which builds the service from its parts.

Each is imported only by the process that runs the service; `barkserve.services` lists them.
"""
