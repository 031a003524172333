"""A Pulumi provider for the demo's cloud: sites, which have a URL, and volumes, which contain data."""

import http.client
import json
import os
import sys
from urllib.parse import urlsplit

from pulumi.provider.experimental import provider
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import main

KINDS = {"democloud:index:Site": ("sites", "html"), "democloud:index:Volume": ("volumes", "size")}
TEXT = {"type": "string"}
SCHEMA = {
    "name": "democloud",
    "version": "1.0.0",
    "resources": {
        token: {
            "inputProperties": {"name": TEXT, content: TEXT},
            "requiredInputs": ["name", content],
            "properties": {"name": TEXT, content: TEXT, "url": TEXT},
            "required": ["name", content, "url"],
        }
        for token, (_, content) in KINDS.items()
    },
}


class CloudError(Exception):
    pass


def call(method, path, body=None):
    """Through the environment's proxy. The variables of urllib would exempt this machine."""
    cloud, proxy = os.environ["DEMOCLOUD_URL"], os.environ.get("http_proxy", "")
    parts = urlsplit(proxy or cloud)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    headers = {"Authorization": "Bearer " + os.environ["DEMOCLOUD_TOKEN"], "Host": urlsplit(cloud).netloc}
    connection.request(method, (cloud if proxy else "") + path, json.dumps(body or {}), headers)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    if answer.status == 404 and method in ("GET", "DELETE"):
        return None
    if answer.status >= 400:
        raise CloudError("democloud returned %d: %s" % (answer.status, text.strip()))
    return json.loads(text or "{}")


def plain(values):
    return {key: item.value for key, item in values.items() if not key.startswith("__")}


class CloudProvider(provider.Provider):
    async def get_schema(self, request):
        return provider.GetSchemaResponse(json.dumps(SCHEMA))

    async def check_config(self, request):
        return provider.CheckResponse(request.new_inputs)

    async def diff_config(self, request):
        return provider.DiffResponse(changes=False)

    async def configure(self, request):
        return provider.ConfigureResponse(supports_preview=True)

    async def check(self, request):
        return provider.CheckResponse(request.new_inputs)

    async def diff(self, request):
        old, new = plain(request.old_state), plain(request.new_inputs)
        changed = [key for key in new if old.get(key) != new[key]]
        fixed = ["name", "size"]  # a volume can't be resized
        return provider.DiffResponse(
            changes=bool(changed),
            replaces=[key for key in changed if key in fixed],
            diffs=changed,
            delete_before_replace=True,
        )

    async def create(self, request):
        values = plain(request.properties)
        if request.preview:
            return provider.CreateResponse(properties=request.properties)
        return provider.CreateResponse(values["name"], self.put(request.type, values, "POST"))

    async def update(self, request):
        values = plain(request.news)
        return provider.UpdateResponse(request.news if request.preview else self.put(request.type, values, "PUT"))

    async def delete(self, request):
        call("DELETE", "/api/%s/%s" % (KINDS[request.type][0], request.resource_id))

    async def read(self, request):
        folder, content = KINDS[request.type]
        found = call("GET", "/api/%s/%s" % (folder, request.resource_id))
        if found is None:
            return provider.ReadResponse("", {}, {})
        values = {**request.properties, content: PropertyValue(found["content"])}
        inputs = {**request.inputs, content: PropertyValue(found["content"])}
        return provider.ReadResponse(request.resource_id, values, inputs)

    def put(self, kind, values, method):
        folder, content = KINDS[kind]
        found = call(method, "/api/%s/%s" % (folder, values["name"]), {"content": values[content]})
        return {key: PropertyValue(value) for key, value in {**values, "url": found["url"]}.items()}


if __name__ == "__main__":
    main(sys.argv[1:], "1.0.0", CloudProvider())
