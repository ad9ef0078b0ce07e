"""The engine's side: Docker and Podman by their command line. Knows no BOINC client and no state of the job."""
