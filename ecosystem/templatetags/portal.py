"""Template filters that every page of the portal may use."""

from django import template

register = template.Library()
