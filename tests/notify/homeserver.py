"""A Matrix homeserver: `homeserver.py FOLDER`.

Runs Synapse on a loopback port of its own with its database in FOLDER, makes two users and a room in which both are, and writes what a
test needs to FOLDER/ready, as JSON. Ends with it on SIGTERM.
"""

import hashlib
import hmac
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

folder = pathlib.Path(sys.argv[1])
SECRET = "registration of a test"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


PORT = free_port()
BASE = f"http://127.0.0.1:{PORT}"
(folder / "log.yaml").write_text("version: 1\nroot: { level: WARNING }\n")
(folder / "homeserver.yaml").write_text(
    f"""
server_name: example.org
pid_file: {folder}/pid
listeners: [{{ port: {PORT}, bind_addresses: [127.0.0.1], type: http, resources: [{{ names: [client] }}] }}]
database: {{ name: sqlite3, args: {{ database: {folder}/homeserver.db }} }}
log_config: {folder}/log.yaml
media_store_path: {folder}/media
signing_key_path: {folder}/signing.key
registration_shared_secret: {json.dumps(SECRET)}
report_stats: false
trusted_key_servers: []
suppress_key_server_warning: true
rc_message: {{ per_second: 2, burst_count: 5 }}
"""
)


def ask(method, path, body=None, token=None):
    request = urllib.request.Request(BASE + path, method=method)
    request.data = None if body is None else json.dumps(body).encode()
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def register(user):
    nonce = ask("GET", "/_synapse/admin/v1/register")["nonce"]
    said = "\0".join([nonce, user, "a password", "notadmin"]).encode()
    mac = hmac.new(SECRET.encode(), said, hashlib.sha1).hexdigest()
    body = {"nonce": nonce, "username": user, "password": "a password", "admin": False, "mac": mac}
    return ask("POST", "/_synapse/admin/v1/register", body)


command = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(folder / "homeserver.yaml")]
subprocess.run(command + ["--generate-keys"], check=True, stdout=subprocess.DEVNULL)
server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
signal.signal(signal.SIGTERM, lambda *_: server.terminate())
for _ in range(600):
    try:
        ask("GET", "/_matrix/client/versions")
        break
    except OSError:
        if server.poll() is not None:
            sys.exit("the homeserver ended at its start")
        time.sleep(0.1)
trueup, reader = register("trueup"), register("reader")
room = ask("POST", "/_matrix/client/v3/createRoom", {"invite": [reader["user_id"]]}, trueup["access_token"])["room_id"]
ask("POST", f"/_matrix/client/v3/join/{room}", {}, reader["access_token"])
ready = {"server": BASE, "room": room, "token": trueup["access_token"], "reader": reader["access_token"]}
(folder / "part").write_text(json.dumps(ready))
(folder / "part").rename(folder / "ready")
server.wait()
