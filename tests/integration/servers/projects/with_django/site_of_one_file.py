"""A Django site with a static file."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

HERE = Path(__file__).resolve().parent

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=["whitenoise.middleware.WhiteNoiseMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of no consequence",
    STATIC_ROOT=HERE / "static",
    STATIC_URL="/static/",
)


def index(_: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello World")


urlpatterns = [path("", index)]
application = get_wsgi_application()
