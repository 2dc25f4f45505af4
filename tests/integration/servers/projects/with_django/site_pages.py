"""The pages of the site: one of them is only for a visitor who has logged in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

LOGIN = engines["django"].from_string("<form method=post>{% csrf_token %}{{ form }}<input type=submit></form>")


class Login(LoginView):
    def render_to_response(self, context: dict[str, AuthenticationForm], **_: object) -> HttpResponse:
        return HttpResponse(LOGIN.render(context, self.request))


def index(_: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello World")


@login_required
def account(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Hello {request.user.get_username()}")


urlpatterns = [path("", index), path("account/", account), path("login/", Login.as_view())]
