"""Reads a Kafka topic with the package kafka-python: every record from the beginning, as they come.

usage: topic.py PORT TOPIC

Prints one JSON object for each record, with the partition that it lies in and the one that a Java
client would have put its key into; ends when it is killed.
"""

import json
import sys

from kafka import KafkaConsumer, TopicPartition
from kafka.partitioner.default import murmur2

port, topic = sys.argv[1:3]


def java_partition(key, partitions):
    return (murmur2(key) & 0x7FFFFFFF) % partitions


reader = KafkaConsumer(
    bootstrap_servers=f"127.0.0.1:{port}",
    group_id=None,
    enable_auto_commit=False,
    auto_offset_reset="earliest",
)
partitions = sorted(reader.partitions_for_topic(topic))
reader.assign([TopicPartition(topic, partition) for partition in partitions])
reader.seek_to_beginning()
for record in reader:
    told = {
        "partition": record.partition,
        "java_partition": java_partition(record.key, len(partitions)),
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": record.key.decode(),
        "headers": {name: value.decode() for name, value in record.headers},
        "value": record.value.decode(),
    }
    print(json.dumps(told), flush=True)
