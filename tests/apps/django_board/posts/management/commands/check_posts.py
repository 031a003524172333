import time

from django.core.management.base import BaseCommand
from posts.models import Post


class Command(BaseCommand):
    help = "Checks new posts until it is stopped."

    def handle(self, *args, **options):
        while True:
            Post.objects.filter(checked=False).update(checked=True)
            time.sleep(0.5)
