#!/usr/bin/python3
"""Print the SQL that loads a dump from the single files of its tree, in the
order of its toc.json files.  usage: load.py TREE [DATABASE-DIRECTORY]"""
import json
import os
import sys

tree = os.fsencode(sys.argv[1])
out = sys.stdout.buffer


def name(entry, key):
    if key + "_hex" in entry:
        return bytes.fromhex(entry[key + "_hex"])
    return entry[key].encode()


def read(*path):
    with open(os.path.join(tree, *path), "rb") as file:
        return file.read()


def load_object(oid, data):
    for at in range(0, len(data), 1 << 20):
        out.write(b"SELECT pg_catalog.lo_put(%d, %d, pg_catalog.decode("
                  b"'%s', 'hex'));\n" %
                  (oid, at, data[at:at + (1 << 20)].hex().encode()))


def load_entry(directory, entry):
    if "file" not in entry:
        return
    data = read(directory, name(entry, "file"))
    if len(data) != entry["size"]:
        sys.exit("%s is not as long as told" % entry["file"])
    if "copy" in entry:
        if data.count(b"\n") != entry["rows"]:
            sys.exit("%s has not as many rows as told" % entry["file"])
        out.write(name(entry, "copy") + b"\n" + data + b"\\.\n")
    elif "large_object" in entry:
        load_object(entry["large_object"], data)
    else:
        out.write(data)


def load(directory):
    for entry in json.loads(read(directory, b"toc.json"))["entries"]:
        load_entry(directory, entry)


if len(sys.argv) > 2:
    load(os.fsencode(sys.argv[2]))
else:
    for part in json.loads(read(b"toc.json"))["parts"]:
        if "globals" in part:
            out.write(read(name(part, "globals")))
        else:
            load(name(part, "directory"))
