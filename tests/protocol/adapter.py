#!/usr/bin/env python3
"""A small adapter: objects are files in a folder. Written from docs/adapter-protocol.md alone."""
import base64
import hashlib
import json
import os
import sys

ABSENT = "0" * 64
folder = None
requests = {}
outcomes = {}


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def hear():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def path(name):
    if "/" in name or name.startswith("."):
        raise ValueError("a thing has a plain name")
    return os.path.join(folder, name)


def live(name):
    try:
        with open(path(name), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def digest(data):
    return ABSENT if data is None else hashlib.sha256(data).hexdigest()


def fingerprint(name):
    stat = os.stat(path(name))
    return "%d.%d" % (stat.st_ino, stat.st_mtime_ns)


def send(id, data):
    for offset in range(0, max(len(data), 1), 512 * 1024):
        part = base64.b64encode(data[offset:offset + 512 * 1024]).decode()
        say(type="chunk", id=id, digest=digest(data), offset=offset, size=len(data), data=part)


def preview(request):
    id, count = request["id"], 0
    for item in request["items"]:
        name, spec = item["object"]["name"], item.get("spec")
        try:
            data = live(name)
        except OSError as error:
            say(type="preview", id=id, object=item["object"], live={"is": "unknown", "why": str(error)},
                after={"is": "same"}, rank=1)
            count += 1
            continue
        now = {"is": "absent"}
        if data is not None:
            state = {"digest": digest(data), "fingerprint": fingerprint(name), "sort": "thing"}
            if request.get("live"):
                send(id, data)
                state["content"] = digest(data)
            now = {"is": "known", "state": state}
        if spec is None:
            after = {"is": "absent"}
        elif spec["body"]["content"] == digest(data):
            after = {"is": "same"}
        else:
            after = {"is": "state", "state": {"digest": spec["body"]["content"], "sort": "thing", "as_desired": True}}
        say(type="preview", id=id, object=item["object"], live=now, after=after, rank=1)
        count += 1
    say(type="end", id=id, items=count)


def need(id, wanted):
    say(type="need", id=id, digest=wanted)
    data = b""
    while True:
        message = hear()
        if message.get("id") == id and message["type"] == "lacking":
            return None
        if message.get("id") != id or message["type"] != "chunk":
            take(message)
            continue
        data += base64.b64decode(message["data"])
        if len(data) == message["size"]:
            return data if digest(data) == wanted else None


def act(request, step):
    name, action = step["object"]["name"], step["action"]
    now = digest(live(name))
    if action == "release":
        return {"already": False}, None
    if now == step["after"]:
        done = {"already": True}
    elif now != step["before"]:
        return None, {"kind": "stale", "object": step["object"]}
    elif action == "delete":
        os.unlink(path(name))
        return {"already": False}, None
    else:
        data = need(request["id"], step["spec"]["body"]["content"])
        if data is None:
            return None, {"kind": "unavailable", "doing": "could not get the content of " + name}
        with open(path("new"), "wb") as file:
            file.write(data)
        os.rename(path("new"), path(name))
        done = {"already": False}
    if step["after"] != ABSENT:
        done["left"] = {"digest": step["after"], "fingerprint": fingerprint(name)}
    return done, None


def apply(request):
    id = request["id"]
    for step in request["items"]:
        if step["key"] in outcomes:
            done, error = dict(outcomes[step["key"]], already=True), None
        else:
            done, error = act(request, step)
        if error:
            say(type="outcome", id=id, number=step["number"], error=error)
            return say(type="error", id=id, error=error)
        outcomes[step["key"]] = done
        say(type="outcome", id=id, number=step["number"], done=done)
    say(type="end", id=id, items=len(request["items"]))


def health(request):
    for item in request["items"]:
        state = "missing" if live(item["object"]["name"]) is None else "healthy"
        say(type="health", id=request["id"], object=item["object"], state=state, message="")
    say(type="end", id=request["id"], items=len(request["items"]))


def watch(request):
    say(type="error", id=request["id"], error={"kind": "unavailable", "doing": "things cannot be watched"})


def recover(request):
    say(type="end", id=request["id"], items=0)


OPERATIONS = {"preview": preview, "apply": apply, "health": health, "watch": watch, "recover": recover}


def take(message):
    kind, id = message["type"], message.get("id")
    if kind in OPERATIONS:
        requests[id] = dict(message, items=[])
    elif id in requests and kind in ("object", "step"):
        requests[id]["items"].append(message)
    elif id in requests and kind == "end":
        request = requests.pop(id)
        if len(request["items"]) != message["items"]:
            error = {"kind": "invalid", "code": "protocol.unexpected", "reason": "items are missing"}
            say(type="error", error=error)
            sys.exit(1)
        OPERATIONS[request["type"]](request)
    elif id in requests and kind == "cancel":
        requests.pop(id)
        say(type="error", id=id, error={"kind": "cancelled"})


hello = hear()
if not hello["protocol"]["min"] <= 1 <= hello["protocol"]["max"]:
    say(type="error", error={"kind": "invalid", "code": "protocol.version", "reason": "this adapter speaks version 1"})
    sys.exit(1)
folder = hello["configuration"]["folder"]
say(type="welcome", protocol=1, adapter="things 1.0", features=["live"], schema={"type": "object"})
while True:
    take(hear())
