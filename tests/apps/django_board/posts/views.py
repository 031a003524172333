import os

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from posts.models import Post


def healthz(request):
    return HttpResponse("ok")


def index(request):
    uploads = sorted(path.name for path in settings.MEDIA_ROOT.glob("*"))
    posts = list(Post.objects.order_by("id").values("text", "checked"))
    return JsonResponse({"commit": os.environ.get("EPH_COMMIT", ""), "posts": posts, "uploads": uploads})


@csrf_exempt
def upload(request, name):
    (settings.MEDIA_ROOT / name).write_bytes(request.body)
    return HttpResponse(status=201)
