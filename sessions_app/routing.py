"""The addresses of websockets."""

from django.urls import path

from sessions_app.consumers import SessionConsumer

websocket_urlpatterns = [path("ws", SessionConsumer.as_asgi())]
