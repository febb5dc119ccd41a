"""A webhook receiver over TLS that checks signatures with the package standardwebhooks.

usage: webhook.py PORT CERTIFICATE KEY SECRET [CLIENT_CA]

Prints {"listening": PORT}, then one JSON object for each request: the answer that it got, its
headers and its body where the signature holds. Reads orders from standard input, one JSON object
a line, until it ends:

  {"secret": TEXT}                      the secret from now on
  {"answer": STATUS, "times": N, "subject": ACCOUNT, "headers": {...}, "delay": SECONDS}
                                        how to answer the next N requests (all, without `times`),
                                        only those that hold the subject, or the text `holds`,
                                        where it is given
  {"forget": true}                      every earlier order of this kind is over
"""

import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

port, certificate, key, secret = sys.argv[1:5]
client_ca = sys.argv[5] if len(sys.argv) > 5 else None
lock = threading.Lock()
orders = []
state = {"secret": secret}


def tell(line):
    with lock:
        print(json.dumps(line), flush=True)


def order_for(subjects, text):
    """The first order that fits, or the usual answer."""
    with lock:
        for order in orders:
            if order.get("subject") is not None and order["subject"] not in subjects:
                continue
            if order.get("holds", "") not in text:
                continue
            if "times" in order:
                if order["times"] == 0:
                    continue
                order["times"] -= 1
            return order
    return {"answer": 200}


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Answer and head in one segment.
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        told = {"headers": headers, "path": self.path, "body": None}
        try:
            found = Webhook(state["secret"]).verify(body.decode(), headers)
            told["body"] = found
            events = found if isinstance(found, list) else [found]
            order = order_for([event.get("subject") for event in events], body.decode())
        except (WebhookVerificationError, ValueError) as error:
            told["error"] = str(error)
            order = {"answer": 401}
        if order.get("delay"):
            time.sleep(order["delay"])
        answer = b'{"heard": true}' if order["answer"] < 300 else b""
        told["answer"] = order["answer"]
        tell(told)
        self.send_response(order["answer"])
        for name, value in order.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        # Clients that trust another authority, or go away in the middle, are part of the tests.
        pass

    def finish_request(self, request, address):
        # The handshake belongs to the connection's own thread.
        request.settimeout(30)
        request.do_handshake()
        super().finish_request(request, address)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
if client_ca:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(client_ca)
server = Server(("127.0.0.1", int(port)), Receiver)
server.socket = context.wrap_socket(
    server.socket, server_side=True, do_handshake_on_connect=False
)
threading.Thread(target=server.serve_forever, daemon=True).start()
tell({"listening": server.server_address[1]})
for line in sys.stdin:
    order = json.loads(line)
    with lock:
        if "secret" in order:
            state["secret"] = order["secret"]
        elif "forget" in order:
            orders.clear()
        else:
            orders.append(order)
    tell({"ordered": order})
