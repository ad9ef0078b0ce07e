"""The one file that a project puts into its app version: a few lines of shell that look for a
Python, and behind them an archive that unpacks itself once. Put together by `make app`.
"""
