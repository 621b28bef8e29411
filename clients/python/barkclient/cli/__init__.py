"""The subcommands of `barkclient`."""
