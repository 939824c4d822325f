"""The server that bin/run starts: Daphne, with bounds on all that a stranger can make it keep.

Daphne reads a whole request before the application hears of it, waits for it as long as it takes,
and counts nothing. Here sizes, times and connections are bounded while the bytes arrive:

- `limits`: the bounds, and why each is what it is
- `connections`: which connections there are, and which of them goes when there are too many
- `http_protocol`, `websocket_protocol`: the bounds on one connection
- `server`: Daphne's server with these protocols
"""
