"""A real Keystone in one process: python3 keystone-server.py FOLDER [CERTIFICATE KEY]

Makes its database and keys in FOLDER, with the admin "admin" and the password "admin-password" in
the project "admin", serves the Identity API on a free port of the loopback interface, and prints
its address as one line.
"""

import os
import sqlite3
import ssl
import subprocess
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

folder, *tls = sys.argv[1:]
config = os.path.join(folder, "keystone.conf")

with open(config, "w", encoding="utf-8") as file:
    file.write(
        f"""
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.db
[fernet_tokens]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[token]
provider = fernet
[identity]
password_hash_rounds = 4
"""
    )


def manage(*arguments):
    # Its interpreter complains at exit, to standard error, of nothing that matters.
    subprocess.run(
        ["keystone-manage", "--config-file", config, *arguments],
        check=True,
        stderr=subprocess.DEVNULL,
    )


for name in ("fernet", "credential"):
    os.makedirs(os.path.join(folder, name), mode=0o700)

user = ("--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid()))
manage("db_sync")
# Keystone keeps a reader open while it writes, which SQLite's older journal does not let it do.
with sqlite3.connect(os.path.join(folder, "keystone.db")) as database:
    database.execute("PRAGMA journal_mode = WAL")
manage("fernet_setup", *user)
manage("credential_setup", *user)
manage("bootstrap", "--bootstrap-password", "admin-password")

sys.argv = ["keystone", "--config-file", config]
from keystone.server.wsgi import initialize_public_application  # noqa: E402


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_arguments):
        pass


server = make_server(
    "127.0.0.1", 0, initialize_public_application(), handler_class=QuietHandler
)
if tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
    server.socket = context.wrap_socket(server.socket, server_side=True)

print(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/v3", flush=True)
server.serve_forever()
