"""Feeds in templates."""

from django import template

from providers.feeds import feed_name

register = template.Library()
register.filter("feed_name", feed_name)
