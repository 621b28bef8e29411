"""CPU time of the host next to a device that only waits: of the engine, and of all processes."""
