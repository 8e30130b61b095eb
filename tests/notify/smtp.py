"""A mail server that keeps what it takes: `smtp.py FOLDER MODE [CERTIFICATE KEY] [USER PASSWORD]`.

MODE is `starttls`, `implicit` or `plain`. It listens on a loopback port of its own, writes that to FOLDER/port, and each mail, with
its envelope, to FOLDER/N.json. Where FOLDER/refuse is, it answers what stands in it to each mail.
"""

import asyncio
import json
import pathlib
import signal
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

folder, mode, *rest = sys.argv[1:]
folder = pathlib.Path(folder)
certificate, key = rest[:2] if mode != "plain" else (None, None)
login = rest[2:4] if mode != "plain" else rest[:2]


class Keeper:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        refuse = folder / "refuse"
        if refuse.exists():
            return refuse.read_text().strip()
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.original_content.decode("utf-8", "replace"),
            "encrypted": session.ssl is not None or mode == "implicit",
            "user": session.auth_data.login.decode() if session.authenticated else None,
        }
        part = folder / "part"
        part.write_text(json.dumps(mail))
        part.rename(folder / f"{self.count}.json")
        Keeper.count += 1
        return "250 2.0.0 kept"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and [data.login.decode(), data.password.decode()] == login
    return AuthResult(success=good, handled=good, auth_data=data)


def protocol():
    context = None
    if mode == "starttls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    return SMTP(
        Keeper(),
        hostname="mail.example.org",
        tls_context=context,
        require_starttls=mode == "starttls",
        authenticator=authenticate if login else None,
        auth_required=bool(login),
        auth_require_tls=mode == "starttls",
    )


async def main():
    context = None
    if mode == "implicit":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    port = folder / "port"
    wanted = int(port.read_text()) if port.exists() else 0
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", wanted, ssl=context)
    (folder / "port.next").write_text(str(server.sockets[0].getsockname()[1]))
    (folder / "port.next").rename(port)
    (folder / "ready").write_text("")
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


asyncio.run(main())
