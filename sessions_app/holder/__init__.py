"""The process that owns one pseudo-terminal.

It outlives the server: it appends what the program writes to the spool, serves one Unix socket and
leaves an exit record. Standard library only, so that nothing but Python can break or slow it.
"""
