"""The BOINC client's side: what a main program and the client share in a slot. Knows no engine and no state of the job."""
