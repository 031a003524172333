"""Pulumi's file backend: a folder, on a disk that all replicas share."""

from stacks.backends.file.file_backend import SCHEME, open_url
from stacks.backends.port import BackendAdapter

ADAPTER = BackendAdapter((SCHEME,), open_url)
