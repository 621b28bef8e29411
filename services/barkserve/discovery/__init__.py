"""Which replicas a service has, and how busy each is."""
