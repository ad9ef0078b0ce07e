"""The engine's side: Docker and Podman by their command line. Knows no client and no job's state.
"""
