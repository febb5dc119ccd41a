"""Drives the gateway with the dialler of the package my-dc09-spt, as a panel would.

usage: dialler.py TCP_PORT UDP_PORT DEAD_PORT

Prints one JSON object for each event that the dialler considers acknowledged, as
{"account", "code", "address", "encrypted", "transport", ...}, and at last one with the polls.
`send_msg` of the dialler returns when a message was answered with ACK and raises otherwise.
"""

import json
import logging
import sys
import threading
import time

from my_dc09_spt import dc09_spt

logging.disable(logging.CRITICAL)

TCP, UDP, DEAD = (int(text) for text in sys.argv[1:4])
HOST = "127.0.0.1"
ROUNDS = 25
KEYS = {
    "aes128": bytes.fromhex("00112233445566778899AABBCCDDEEFF"),
    "aes256": bytes.fromhex(
        "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4"
    ),
}
printing = threading.Lock()
failures = []


def tell(**fields):
    with printing:
        print(json.dumps(fields), flush=True)


def panel(account, transport, key=None, line=1, receiver=None):
    spt = dc09_spt.dc09_spt(account, receiver=receiver, line=line)
    port = TCP if transport == "TCP" else UDP
    spt.set_path("main", "primary", HOST, port, account=account, key=key, type=transport)
    return spt


def send(spt, kind, content, **told):
    """One event; told about only when the dialler says that it was acknowledged."""
    try:
        spt.send_msg(kind, dict(content))
    except Exception as why:  # the dialler raises bare Exception
        failures.append(f"{told}: {why}")
        return
    tell(**told)


def sia_and_contact_id(account, transport, key_name, line, receiver):
    spt = panel(account, transport, KEYS.get(key_name), line, receiver)
    common = {
        "account": account,
        "transport": transport,
        "encrypted": key_name is not None,
        "receiver": None if receiver is None else "%X" % receiver,
        "line": None if line is None else "%X" % line,
    }
    for number in range(1, ROUNDS + 1):
        zone = 100 + number
        send(
            spt,
            "SIA-DCS",
            {"code": "BA", "area": 2, "areaname": "Hall", "zone": zone, "zonename": "Door"},
            code="BA", address=str(zone), partition="2", **common,
        )
        user = 400 + number
        send(
            spt,
            "SIA-DCS",
            {"code": "OP", "user": user, "area": 3, "text": "Opened", "time": "now"},
            code="OP", address=str(user), partition="3", **common,
        )
        send(
            spt,
            "ADM-CID",
            {"code": 130, "q": 1, "area": 4, "zone": zone, "lat": "59.329", "lon": "18.068",
             "mac": "001122334455", "verification": "https://example.org/clip/%d" % zone,
             "event_ts": int(time.time() * 1000)},
            code="130", address="%03d" % zone, partition="04", **common,
        )


def two_paths(account):
    """The main path is dead: everything must arrive over the back-up path, once."""
    spt = dc09_spt.dc09_spt(account, line=1)
    spt.set_path("main", "primary", HOST, DEAD, account=account, type="TCP")
    spt.set_path("back-up", "primary", HOST, TCP, account=account, key=KEYS["aes128"], type="TCP")
    for number in range(1, ROUNDS + 1):
        send(
            spt, "SIA-DCS", {"code": "FA", "zone": number},
            account=account, code="FA", address=str(number), transport="TCP", encrypted=True,
        )


def polling(account):
    """Two live paths that are polled; the path faults and restores it reports are events too."""
    spt = dc09_spt.dc09_spt(account, line=1)
    spt.set_path("main", "primary", HOST, TCP, account=account, key=KEYS["aes128"], type="TCP")
    spt.set_path("back-up", "primary", HOST, UDP, account=account, key=KEYS["aes128"], type="UDP")
    spt.set_callback(
        lambda kind, message: tell(
            account=account, code=message["code"], address=str(message["zone"]),
            transport="TCP", encrypted=True,
        )
    )
    spt.start_poll(1, 1, retry_delay=0.2, ok_msg={"code": "YK"}, fail_msg={"code": "YS"})
    deadline = time.time() + 20
    while spt.state().get("poll count", 0) < 6 and time.time() < deadline:
        time.sleep(0.1)
    polls = spt.state().get("poll count", 0)
    connected = spt.isConnected()
    # The dialler's own stop does not survive: its thread compares a time with None.
    tell(polls=polls, connected=connected)


def main():
    work = [
        # account, transport, key, line, receiver
        ("1001", "TCP", None, 1, None),
        ("1002", "UDP", None, 0xABC, 1),
        ("1003", "TCP", "aes128", 1, 0x15),
        ("1004", "UDP", "aes256", 1, None),
        ("1005", "TCP", "aes256", 2, None),
        # The dialler leaves the line out unless it is told one.
        ("1006", "TCP", None, None, None),
        ("1007", "UDP", "aes128", None, None),
    ]
    threads = [threading.Thread(target=sia_and_contact_id, args=row) for row in work]
    threads.append(threading.Thread(target=two_paths, args=("1008",)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    polling("1009")
    if failures:
        print("\n".join(failures), file=sys.stderr, flush=True)
    sys.stdout.flush()
    # The poll thread has no way to end by itself.
    import os

    os._exit(1 if failures else 0)


main()
