"""Random messages built by the package siadc09, larm's replies read by it.

usage: codec.py TCP_PORT UDP_PORT COUNT SEED

Prints one JSON object for each message that the package considers acknowledged, with what the
package itself reads in the message, so that both readings can be compared. Ends with a line of
counts. Exit code 1 when a reply was wrong.
"""

import collections
import json
import random
import re
import socket
import sys
from datetime import timedelta

from siadc09 import account as accounts
from siadc09 import dc03, dc05, message, util, xdata

TCP, UDP, COUNT, SEED = (int(text) for text in sys.argv[1:5])
HOST = "127.0.0.1"
rng = random.Random(SEED)
# One key for each account, as the test imports them: none, 128, 192 and 256 bits.
KEYS = {
    0x2000: None,
    0x2128: "00112233445566778899AABBCCDDEEFF",
    0x2192: "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
    0x2256: "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4",
}
counts = collections.Counter()
faults = []
# Address and Contact ID blocks carry the message's number, so that no two messages are alike.
WORDS = ["Hall", "Kitchen door", "2nd floor", "PIR 7", "K\u00e4llare", "\u00d6stra", "Boiler room"]


def sia_payload(number):
    """A block of one to three events with some modifiers, in the package's own grammar.

    Gives the block and what is in it: code, address, and a measured value where there is one.
    """
    parts = []
    if rng.random() < 0.5:
        parts.append("ti%02d:%02d:%02d/" % (rng.randrange(24), rng.randrange(60), rng.randrange(60)))
    if rng.random() < 0.3:
        parts.append("da%02d-%02d-26/" % (rng.randrange(1, 13), rng.randrange(1, 29)))
    for name in ("id", "ri", "pi"):
        if rng.random() < 0.4:
            parts.append("%s%d/" % (name, rng.randrange(1, 999)))
    measured = rng.random() < 0.15
    letter = "E" if measured else rng.choice("NNNO")
    table = dc03.ENVIRONMENTAL if measured else dc03.EVENT
    told = []
    for at in range(rng.choice([1, 1, 1, 2, 3])):
        code = rng.choice([code for code in table if code.isalpha()])
        address = "%X" % number if at == 0 else "%d%05d" % (at, number)
        if re.search("[A-F]{2}", address):
            # `YBBA5`: the package reads code YB with the address BA5, larm two events, YB and BA5.
            address = "9%05d" % number
        event = {"code": code, "address": address}
        value = ""
        if measured:
            event["value"] = {"number": "%d.5" % rng.randrange(90), "unit": "\u00b0C"}
            value = "*%sC_" % event["value"]["number"]
        told.append(event)
        parts.append(code + address + value + "/")
    return (letter + "".join(parts).rstrip("/")).encode("ascii"), told


def one(number, acct):
    """A message and the package's own reading of it."""
    key = KEYS[acct]
    receiver = rng.choice([None, None, 0, 1, 0x15, 0xABCDEF])
    prefix = rng.choice([None, 0x1, 0xABC, 0xFFFFFF])
    context = accounts.Account(acct=acct, pref=prefix, rcvr=receiver, key=key)
    seq = number % 9999 + 1
    stamp = util.now() if key or rng.random() < 0.7 else None
    extended = []
    if rng.random() < 0.5:
        for letter in rng.sample("GHILMNORSTVXYZJC", rng.randrange(1, 4)):
            extended.append(xdata_of(letter))
    kind = rng.choices(["SIA-DCS", "ADM-CID", "NULL", "XNM"], [6, 4, 1, 1])[0]
    told = {"kind": kind}
    if kind == "NULL":
        msg = message.NullMessage(context, timestamp=stamp, seqno=seq)
    elif kind == "XNM":
        extended = [xdata_of("G"), xdata_of("C")]
        msg = message.ExtendedNullMessage(context, timestamp=stamp, xdata=extended, seqno=seq)
    else:
        if kind == "SIA-DCS":
            block, told["events"] = sia_payload(number)
        else:
            code = rng.choice([code for code in dc05.EVENT if len(code) == 3])
            partition, address = "%02d" % (number // 1000), "%03d" % (number % 1000)
            qualifier = rng.choice("136")
            block = ("%s%s %s %s" % (qualifier, code, partition, address)).encode()
            # 00 stands for no partition.
            told["partition"] = None if partition == "00" else partition
            told["events"] = [{"code": code, "address": address}]
        content = b"#%04X|" % acct + block
        config = {"idtoken": kind, "seqno": seq, "data": xdata.Data(content=content),
                  "xdata": extended, "timestamp": stamp}
        msg = message.EventMessage(context, config=config)
    told["extended"] = [[one.prefix, one.pack()[1:].decode("utf_8")] for one in extended]
    told.update(
        account="%04X" % acct,
        line="%X" % (prefix or 0),
        receiver=None if receiver is None else "%X" % receiver,
        sequence="%04d" % seq,
        encrypted=key is not None,
    )
    return msg, told


def xdata_of(letter):
    values = {
        "G": b"G%d" % rng.randrange(1, 5),
        "H": b"H" + util.totimestamp(util.now() - timedelta(seconds=rng.randrange(9999))).encode(),
        "M": b"M%012X" % rng.randrange(1 << 48),
        "N": b"N%08X" % rng.randrange(1 << 32),
        "T": b"T" + rng.choice("FGWSCM").encode(),
        "V": b"Vhttps://example.org/%d" % rng.randrange(9999),
        "X": b"X018E04.%03d" % rng.randrange(999),
        "Y": b"Y59N19.%03d" % rng.randrange(999),
        "Z": b"Z%d.2M" % rng.randrange(99),
        "J": b'J{"a": %d}' % rng.randrange(99),
        "C": rng.choice([b"CDP4", b"CSP5"]),
    }
    source = values.get(letter) or letter.encode() + rng.choice(WORDS).encode("utf_8")
    return xdata.parse_xdata(source)


def own_reading(frame, key, told):
    """What the package reads in its own frame: the second opinion."""
    back = message.parse_frame(frame, bytes.fromhex(key) if key else None)
    if told["kind"] == "SIA-DCS":
        codes = [event.code for block in back.data.blocks if hasattr(block, "events")
                 for event in block.events]
    elif told["kind"] == "ADM-CID":
        codes = [back.data.event.code]
    else:
        codes = []
    return codes == [event["code"] for event in told.get("events", [])]


def check(reply, msg, told, key):
    """Reads a reply with the package; returns what is wrong with it."""
    try:
        answer = message.parse_frame(reply, bytes.fromhex(key) if key else None)
    except Exception as why:
        return "cannot be read (%s): %r" % (why, reply)
    if not isinstance(answer, message.AckMessage):
        return "is no ACK: %r" % (reply,)
    if answer.seq != msg.seq:
        return "has sequence %r instead of %r" % (answer.seq, msg.seq)
    if answer.account.get_id() != msg.account.get_id():
        return "is for %s instead of %s" % (answer.account.get_id(), msg.account.get_id())
    if answer.encrypted != told["encrypted"]:
        return "is encrypted: %r" % (answer.encrypted,)
    if answer.encrypted and answer.timestamp is None:
        return "has no time inside"
    return None


def read_frame(sock):
    reply = b""
    while not reply.endswith(b"\r"):
        piece = sock.recv(1)
        if not piece:
            raise EOFError("the connection ended inside a reply: %r" % (reply,))
        reply += piece
    return reply


def stale(acct):
    """An old time stamp must be refused; the package cannot read the refusal (see peers.md)."""
    context = accounts.Account(acct=acct, key=KEYS[acct])
    msg = message.NullMessage(context, timestamp=util.now() - timedelta(seconds=300), seqno=1)
    with socket.create_connection((HOST, TCP), timeout=30) as sock:
        sock.sendall(msg.encode())
        reply = read_frame(sock)
    if b'"NAK"0000R0L0A0[]_' not in reply:
        faults.append("stale frame answered with %r" % (reply,))
    try:
        message.parse_frame(reply)
        counts["nak_read"] += 1
    except RuntimeError as why:
        counts["nak_unread"] += 1
        counts[str(why)] += 1


def main():
    stream = socket.create_connection((HOST, TCP), timeout=30)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.settimeout(30)
    datagrams.connect((HOST, UDP))
    for number in range(1, COUNT + 1):
        acct = rng.choice(list(KEYS))
        msg, told = one(number, acct)
        frame = msg.encode()
        if not own_reading(frame, KEYS[acct], told):
            faults.append("the package reads its own frame otherwise: %r" % (frame,))
        transport = rng.choice(["TCP", "UDP"])
        told["transport"] = transport
        if transport == "TCP":
            stream.sendall(frame)
            reply = read_frame(stream)
        else:
            datagrams.send(frame)
            reply = datagrams.recv(65536)
        wrong = check(reply, msg, told, KEYS[acct])
        if wrong:
            faults.append("reply to %r %s" % (frame, wrong))
            continue
        counts[told["kind"]] += 1
        counts[transport] += 1
        counts["encrypted" if told["encrypted"] else "plain"] += 1
        for event in told.pop("events", []):
            print(json.dumps(told | event))
            counts["events"] += 1
    for acct, key in KEYS.items():
        if key:
            stale(acct)
    print(json.dumps({"counts": counts}))
    for fault in faults[:20]:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


main()
