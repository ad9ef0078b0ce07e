"""docker_wrapper: runs a BOINC job in a container of Docker or Podman and obeys the client."""
