"""The limit of a sleeping call: a bare Unix socket, one byte there and one back. Inherits one end as descriptor argv[1]."""

import socket
import sys

with socket.socket(fileno=int(sys.argv[1])) as end:
    while True:
        data = end.recv(64)
        if not data:
            break
        end.sendall(data)
