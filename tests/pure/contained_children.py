"""What processes do in the tests of `generator.checking.contained`."""

import json
import os
import signal
import sys
import time

from multiprocess.connection import Connection


def serve(descriptor: int) -> None:
    connection = Connection(descriptor)

    def answer(**content: object) -> None:
        connection.send_bytes(json.dumps(content).encode())

    answer(ready=True)
    while True:
        match json.loads(connection.recv_bytes()):
            case {"do": "count", "to": to}:
                for number in range(to):
                    answer(number=number)
                answer(end=True)
            case {"do": "tell"}:
                answer(end=True, pid=os.getpid(), environment=sorted(os.environ))
            case {"do": "sleep"}:
                time.sleep(1000)
            case {"do": "stammer"}:
                os.write(descriptor, b"\0\0\1")  # the beginning of a message
                time.sleep(1000)
            case {"do": "babble"}:
                connection.send_bytes(b"no JSON")
            case {"do": "exit"}:
                sys.exit("out of words")
            case {"do": "signal", "number": number}:
                if number != signal.SIGKILL:
                    signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
