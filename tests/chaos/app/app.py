"""The smallest preview: says which commit it runs, and prints its secret, which no answer of Eph's may repeat."""

import json
import os
import socket

BODY = json.dumps({"commit": os.environ["EPH_COMMIT"], "environment": os.environ["EPH_ENVIRONMENT"]}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(
    BODY
)

server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
os.write(1, f"serving {os.environ['EPH_COMMIT']} from {os.environ['DATABASE_URL']}\n".encode())
while True:
    connection, _ = server.accept()
    with connection:
        connection.settimeout(2)
        try:
            connection.recv(65536)
            connection.sendall(HEAD + BODY)
        except OSError:
            continue
