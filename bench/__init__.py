"""The bench: what the documentation says about speed, measured beside other servers.

`python -m bench --list` names the scenarios; docs/performance.md explains how they are measured.
"""
