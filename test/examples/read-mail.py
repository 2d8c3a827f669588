"""Reads mail with Python's own parser, which knows nothing of postern; prints a JSON line for each file that is named."""

import hashlib
import json
import sys
from email.header import decode_header, make_header
from email.parser import BytesParser
from email.policy import compat32


def decoded(value):
    try:
        return " ".join(str(make_header(decode_header(value))).split())
    except Exception:
        # Encoded words that are none: there is nothing to compare.
        return None


def part_of(part):
    payload = part.get_payload(decode=True)
    return {
        "type": part.get_content_type(),
        "name": part.get_filename(),
        "sha": None if payload is None else hashlib.sha256(payload).hexdigest(),
    }


def main():
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            message = BytesParser(policy=compat32).parse(file)
        subject = message.get("Subject")
        print(
            json.dumps(
                {
                    "subject": "" if subject is None else decoded(subject),
                    "names": [name.lower() for name in message.keys()],
                    "parts": [part_of(part) for part in message.walk()],
                }
            )
        )


main()
