"""A receiver of the package pysiaalarm, for what larm sends.

usage: receiver.py tcp|udp

Prints `port N`, then one JSON object for each event that the package accepts and answers with
ACK, until its standard input ends; then the package's own counts.
"""

import json
import logging
import sys
import threading

from pysiaalarm import CommunicationsProtocol, SIAAccount, SIAClient

logging.disable(logging.CRITICAL)
KEYS = {
    "3001": None,
    # The package takes the key as text and uses its bytes: 16, 24 or 32 characters.
    "3128": "0123456789ABCDEF",
    "3192": "0123456789ABCDEF01234567",
    "3256": "0123456789ABCDEF0123456789ABCDEF",
}
# The package has a thread for each connection or datagram, and a line is printed in two pieces.
one_at_a_time = threading.Lock()


def tell(event):
    line = json.dumps(
        {
            "account": event.account,
            "code": event.code,
            "message": event.message,
            "event_type": event.event_type,
            "event_qualifier": event.event_qualifier,
            "partition": event.partition,
            "ri": event.ri,
            "encrypted": event.encrypted,
            "line": event.line,
            "sequence": event.sequence,
            "type": event.message_type.value,
            "time": event.timestamp is not None,
        }
    )
    with one_at_a_time:
        print(line, flush=True)


protocol = CommunicationsProtocol.UDP if sys.argv[1] == "udp" else CommunicationsProtocol.TCP
client = SIAClient(
    "127.0.0.1", 0, [SIAAccount(account, key) for account, key in KEYS.items()], tell, protocol
)
client.start()
print("port %d" % client.sia_server.server_address[1], flush=True)
sys.stdin.read()
client.stop()
counts = client.counts
print(json.dumps({"valid": counts.valid_events, "events": counts.events}), flush=True)
