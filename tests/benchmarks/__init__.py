"""What watching a job costs and how fast it is, measured on real engines: ``make bench``."""
