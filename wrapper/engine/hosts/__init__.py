"""Where an engine runs: here, in a WSL distro. Each is a ``Host`` of :mod:`.base`."""
