"""Plain Django: add `"django_middleware.KnoxideMiddleware"` to `MIDDLEWARE`; views then have `request.knoxide`."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from knoxide_client import Client, KnoxideError


class KnoxideMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response
        self.client = Client.from_env()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            request.knoxide = self.client.authenticate(request.headers.get("Authorization"))
        except KnoxideError as error:
            return JsonResponse({"detail": error.detail}, status=error.status, headers=error.headers)
        return self.get_response(request)
