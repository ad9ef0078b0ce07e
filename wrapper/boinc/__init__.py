"""The BOINC client's side: what a main program and the client share in a slot directory.

Usable by any BOINC program in Python, see ``docs/boinc-client.md``; needs nothing but the standard
library. Knows no engine and no state of a job.
"""


class BoincTrouble(Exception):
    """Base of what this package raises: something the client or the slot holds cannot be used."""
