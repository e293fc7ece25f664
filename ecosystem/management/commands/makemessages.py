"""Extract the texts to translate, those of the scoring core among them."""

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    # The core knows no framework: it marks what it says by the function that keeps template and values apart.
    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=said"]
