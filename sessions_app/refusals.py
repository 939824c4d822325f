"""How a client is refused before it reaches any view or consumer."""

from sessions_app.transport import Receive, Send


async def refuse_socket(receive: Receive, send: Send, code: int) -> None:
    """Accept the connection and close it with this code: a browser learns a code only then."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": code})
