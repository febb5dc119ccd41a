"""A case system's end of a line, with its own reading of Sur-Gard and Ademco 685 records.

usage: case_system.py surgard|685 listen|connect PORT [CERTIFICATE KEY AUTHORITY]

Takes one connection at a time, as such programs do; with files, by TLS on which both sides are
known. Prints {"ready": true} once, then one JSON object for each event before it answers:
{"account": TEXT, "number": N, "answer": "ack"|"nak"}. The number is what stands behind the code, in
Contact ID with the area in front. Reads orders from standard input until it ends:

  {"decline": N}    the event of this number is declined from now on
"""

import json
import re
import socket
import ssl
import sys
import threading
import time

form, role, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
files = sys.argv[4:7]
ACK, NAK = b"\x06", b"\x15"
END = {"surgard": b"\x14", "685": b"\r"}[form]
SIA = re.compile(r"S[0-9A-F]{3,5}\[#(\w+)\|[NO](?:\w+/)*[A-Z]{2}(\d*)(?:\*.*\*)?\]")
CONTACT_ID = re.compile(r"5[0-9A-F]{3,5} 18(\w{4,})[ERP]\d{3}(\d\d)(\d{3})")
ADEMCO = re.compile(r"[0-9A-F]{2} (\w+) 18 [ERP]\w{3} (\w\w) [CU](\w{3}) ?")
declined = set()


def read(record):
    """Account and number of a record; None: a heartbeat or the receiver's own event."""
    if form == "surgard":
        if found := SIA.fullmatch(record):
            return found[1], int(found[2] or 0)
        found = CONTACT_ID.fullmatch(record)
    else:
        found = ADEMCO.fullmatch(record)
    return (found[1], int(found[2]) * 1000 + int(found[3])) if found else None


def tell(line):
    print(json.dumps(line), flush=True)


def answer(record):
    event = read(record)
    if event is None:
        return ACK
    account, number = event
    taken = number not in declined
    tell({"account": account, "number": number, "answer": "ack" if taken else "nak"})
    return ACK if taken else NAK


def talk(connection):
    buffer = b""
    while part := connection.recv(4096):
        *records, buffer = (buffer + part).split(END)
        for record in records:
            record = record.decode("ascii").strip("\n")
            if record:
                connection.sendall(answer(record))


def context():
    if not files:
        return None
    side = ssl.PROTOCOL_TLS_SERVER if role == "listen" else ssl.PROTOCOL_TLS_CLIENT
    made = ssl.SSLContext(side)
    made.load_cert_chain(files[0], files[1])
    made.load_verify_locations(files[2])
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def secure(raw, made):
    if made is None:
        return raw
    # A handshake that never ends must not keep others out.
    raw.settimeout(5)
    if role == "listen":
        done = made.wrap_socket(raw, server_side=True)
    else:
        done = made.wrap_socket(raw, server_hostname="localhost")
    done.settimeout(None)
    return done


def work():
    made = context()
    listener = socket.create_server(("127.0.0.1", port)) if role == "listen" else None
    tell({"ready": True})
    while True:
        try:
            raw = listener.accept()[0] if listener else socket.create_connection(("127.0.0.1", port))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with raw, secure(raw, made) as connection:
                talk(connection)
        except OSError:
            # Whoever shows the wrong certificate, or goes away in the middle, is part of the tests.
            pass
        time.sleep(0.01)


threading.Thread(target=work, daemon=True).start()
for line in sys.stdin:
    declined.add(json.loads(line)["decline"])
