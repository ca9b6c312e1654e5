#!/usr/bin/python3
"""compare.py JSON CHECKPOINT [FACTS]: what 'varve rocksdb info --json' said,
fact by fact against ldb manifest_dump, sst_dump and, with FACTS, what the
database's own interface said (makedb).  Each difference is a line."""
import json
import os
import re
import subprocess
import sys

wrong = 0


def same(what, varve, rocksdb):
    global wrong
    if varve != rocksdb:
        wrong += 1
        print(f"{what}: varve has {varve!r}, RocksDB {rocksdb!r}")


def key_of(text):
    """A key's bytes, from how they are written."""
    return re.sub(rb"\\(\\|x[0-9A-F]{2})",
                  lambda m: b"\\" if m[1] == b"\\" else
                  bytes([int(m[1][1:], 16)]), text.encode())


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=True)
    return done.stdout


def manifest(info, path):
    out = run("ldb", "manifest_dump", f"--path={path}/{info['manifest']}")
    families, files, blobs = {}, {}, {}
    family = level = None
    for line in out.split(b"\n"):
        if m := re.match(rb'-+ Column family "(.*)"  \(ID (\d+)\)', line):
            family = m[1].decode()
            families[family] = {"id": int(m[2])}
        elif m := re.match(rb"log number: (\d+)", line):
            families[family]["log_number"] = int(m[1])
        elif m := re.match(rb"comparator: (.*)", line):
            families[family]["comparator"] = m[1].decode()
        elif m := re.match(rb"--- level (\d+)", line):
            level = int(m[1])
        elif m := re.match(rb" (\d+):(\d+)\[(\d+) \.\. (\d+)\]\['(.*)' "
                           rb"seq:(\d+), type:\d+ \.\. '(.*)' seq:(\d+), "
                           rb"type:\d+\](?: blob_file:(\d+))?", line):
            files[int(m[1])] = (family, level, int(m[2]), int(m[3]),
                                int(m[4]), m[5], int(m[6]), m[7], int(m[8]),
                                int(m[9] or 0))
        elif m := re.match(rb"blob_file_number: (\d+) total_blob_count: (\d+) "
                           rb"total_blob_bytes: (\d+) .*garbage_blob_count: "
                           rb"(\d+) garbage_blob_bytes: (\d+)", line):
            blobs[int(m[1])] = (family,) + tuple(
                int(m[i]) for i in range(2, 6))
        elif m := re.match(rb"next_file_number (\d+) last_sequence (\d+)  "
                           rb"prev_log_number \d+ max_column_family (\d+) "
                           rb"min_log_number_to_keep (\d+)", line):
            # ldb tells what comes next once it has drawn one for itself.
            same("numbers", [info["next_file"] + 1] + [info[k] for k in (
                "last_sequence", "max_family", "min_log")],
                [int(m[i]) for i in range(1, 5)])
            level = "end"
    same("end of manifest_dump", level, "end")
    same("families", {f["name"]: {k: f[k] for k in (
        "id", "log_number", "comparator")} for f in info["families"]},
        families)
    same("tables", {f["number"]: (
        f["family"], f["level"], f["size"], f["smallest_seq"],
        f["largest_seq"], key_of(f["smallest_key"]), f["smallest_key_seq"],
        key_of(f["largest_key"]), f["largest_key_seq"],
        f.get("oldest_blob", 0)) for f in info["files"]}, files)
    same("blob files", {b["number"]: (
        b["family"], b["blobs"], b["blob_bytes"], b["garbage_blobs"],
        b["garbage_bytes"]) for b in info["blob_files"]}, blobs)


PROPERTIES = {
    "# data blocks": "data_blocks", "# entries": "entries",
    "# deletions": "deletions", "# merge operands": "merges",
    "# range deletions": "range_deletions", "raw key size": "raw_key_bytes",
    "raw value size": "raw_value_bytes", "data block size": "data_bytes",
    "filter block size": "filter_bytes", "creation time": "creation_time",
    "file creation time": "file_time",
    "original file number": "original_number",
}
TEXTS = {
    "comparator name": "comparator", "SST file compression algo":
    "compression", "DB identity": "created_by", "column family name":
    "family",
}


def properties(info, path):
    for f in info["files"]:
        name = f"{path}/{f['number']:06d}.sst"
        out = run("sst_dump", "--show_properties", "--command=none",
                  f"--file={name}").decode(errors="replace")
        told = {}
        for line in out.split("\n"):
            key, _, value = line.strip().partition(": ")
            told.setdefault(key, value.strip())
        for key, mine in PROPERTIES.items():
            same(f"{name} {mine}", f.get(mine, 0), int(told[key]))
        for key, mine in TEXTS.items():
            same(f"{name} {mine}", f[mine], told[key])
        index = next(v for k, v in told.items()
                     if k.startswith("index block size"))
        same(f"{name} index_bytes", f["index_bytes"], int(index))


def facts(info, path):
    tables = {}
    for line in open(path):
        word, *rest = line.split()
        if word == "table":
            tables[int(rest[2])] = (
                rest[0], int(rest[1]), *(int(n) for n in rest[3:6]),
                rest[6], rest[7])
        elif word == "sequence" and not info["wals"]:
            same("last sequence", info["last_sequence"], int(rest[0]))
    same("tables of the interface", {f["number"]: (
        f["family"], f["level"], f["size"], f["entries"], f["deletions"],
        key_of(f["smallest_key"]).hex(), key_of(f["largest_key"]).hex())
        for f in info["files"]}, tables)


def directory(info, path):
    """Nothing of the live set is left out, and nothing is made up."""
    have = {n for n in os.listdir(path) if n.endswith((".sst", ".blob"))}
    live = {f"{f['number']:06d}.sst" for f in info["files"]} | {
        f"{b['number']:06d}.blob" for b in info["blob_files"]}
    same("files of the directory", live, have)
    for b in info["blob_files"]:
        same("size of a blob file", b["size"], os.path.getsize(
            f"{path}/{b['number']:06d}.blob"))
    same("WALs", {w["number"]: w["size"] for w in info["wals"]}, {
        int(n[:-4]): os.path.getsize(f"{path}/{n}")
        for n in os.listdir(path) if n.endswith(".log")})


told = json.load(open(sys.argv[1]))
manifest(told, sys.argv[2])
properties(told, sys.argv[2])
if len(sys.argv) > 3:
    facts(told, sys.argv[3])
    directory(told, sys.argv[2])
    same("findings", told["findings"], [])
same("state", told["state"], "complete")
print(len(told["files"]), "tables,", len(told["blob_files"]), "blob files")
sys.exit(wrong > 0)
