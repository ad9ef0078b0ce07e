"""The job as a finite-state machine, its record on disk, and what to do after a restart. Pure:
no process, no client.
"""
