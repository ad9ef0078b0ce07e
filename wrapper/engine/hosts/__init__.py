"""Where an engine runs: here, in a WSL distro, in a virtual machine. Each is a :class:`~wrapper.engine.hosts.base.Host`."""
