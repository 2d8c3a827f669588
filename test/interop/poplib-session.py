"""One POP3 session by Python's poplib, step by step as the arguments say; prints a JSON line for each step.

Arguments: HOST PORT plain|tls CA-FILE STEP...
A step is the name of a method of poplib.POP3 with its arguments after colons (retr:1, top:1:0), or
"stls", "abort" (close the socket without QUIT), "reset" (close it by RST) or "hang" (wait to be killed).
"""

import json
import poplib
import socket
import ssl
import struct
import sys
import time


def readable(value):
    if isinstance(value, bytes):
        return value.decode("latin1")
    if isinstance(value, (list, tuple)):
        return [readable(item) for item in value]
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    return value


def main():
    host, port, security, ca_file = sys.argv[1:5]
    context = ssl.create_default_context(cafile=ca_file)
    if security == "tls":
        session = poplib.POP3_SSL(host, int(port), timeout=15, context=context)
    else:
        session = poplib.POP3(host, int(port), timeout=15)

    for step in sys.argv[5:]:
        name, *arguments = step.split(":")
        try:
            if name == "stls":
                result = session.stls(context)
            elif name == "abort":
                result = session.close()
            elif name == "reset":
                session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                result = session.sock.close()
            elif name == "hang":
                print(json.dumps([step, None]), flush=True)
                time.sleep(600)
            else:
                result = getattr(session, name)(*arguments)
        except (poplib.error_proto, OSError) as error:
            result = "failed: " + str(error)
        print(json.dumps([name, readable(result)]), flush=True)


main()
