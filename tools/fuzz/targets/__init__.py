"""The targets. Each module has `fuzz`, which fails on a bug, and `seeds`, its first inputs."""
