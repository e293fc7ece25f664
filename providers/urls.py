"""Addresses of the provider pages."""

from django.urls import URLPattern, path

from providers import home

app_name = "providers"
urlpatterns: list[URLPattern] = [
    path("home/", home.home, name="home"),
    path("switch/<int:provider_id>/", home.switch, name="switch"),
]
