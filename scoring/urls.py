"""Addresses of the score and plan pages."""

from django.urls import URLPattern

app_name = "scoring"
urlpatterns: list[URLPattern] = []
