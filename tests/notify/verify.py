"""Verifies one delivery as docs/notifications.md says, with nothing of trueup in it.

Reads JSON from stdin: the secret, the three headers, and the body as it came. Ends with 0 where the signature is good.
"""

import base64
import hashlib
import hmac
import json
import sys

given = json.load(sys.stdin)
key = base64.b64decode(given["secret"].removeprefix("whsec_"))
signed = f"{given['id']}.{given['timestamp']}.{given['body']}".encode()
wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
good = any(hmac.compare_digest(wanted, one) for one in given["signature"].split(" "))
sys.exit(0 if good else 1)
