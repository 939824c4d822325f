"""The ASGI application: `daphne harness_site.asgi:application`, or uvicorn with the same name."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "harness_site.settings")
django.setup(set_prefix=False)

# Models can be imported only after the line above.
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from sessions_app.gate import with_gate  # noqa: E402
from sessions_app.lifecycle import start_with_reactor, with_lifespan  # noqa: E402
from sessions_app.request_ids import with_request_ids  # noqa: E402
from sessions_app.request_threads import OneThreadHandler, RequestThreads  # noqa: E402
from sessions_app.routing import websocket_urlpatterns  # noqa: E402
from sessions_app.transport import with_connection  # noqa: E402
from sessions_app.websocket_access import guarded  # noqa: E402

application = with_lifespan(
    with_connection(
        with_request_ids(
            with_gate(
                ProtocolTypeRouter(
                    {
                        "http": RequestThreads().around(OneThreadHandler()),
                        "websocket": guarded(URLRouter(websocket_urlpatterns)),
                    }
                )
            )
        )
    )
)
start_with_reactor()
