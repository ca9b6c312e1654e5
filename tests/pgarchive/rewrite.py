#!/usr/bin/env python3
"""Write fixtures: a real custom archive of version 1.14 in other versions,
compressions and orders, and with things that are wrong.

usage: rewrite.py IN OUT [SETTING=VALUE]...

  minor=12..16     the archive version, 1.minor
  packing=none|zlib|lz4|zstd
  int=1..8         bytes of a number
  offsets=set|unset|wrong
  order=toc|reverse  of the blocks
  dumper=TEXT      what the head says of pg_dump
  without=KIND     no entry of that kind, as SEARCHPATH
  open=KIND        a quote is opened at the end of such definitions
  std=off          standard_conforming_strings
  metadata=1       large objects as from 1.16 on: one entry for all of them
  drop=TAG unknown=1 double=TAG damage=TAG   blocks left out, added, twice, cut
  dir=1            OUT is a directory archive, its files packed

Independent of the program: written after PostgreSQL's description of it.
"""
import os
import subprocess
import sys
import zlib


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise SystemExit('rewrite.py: the archive ends early')
        self.at += n
        return self.data[self.at - n:self.at]

    def int(self):
        sign = self.take(1)[0]
        value = int.from_bytes(self.take(4), 'little')
        return -value if sign else value

    def str(self):
        n = self.int()
        return None if n < 0 else self.take(n)


def read(path):
    r = Reader(open(path, 'rb').read())
    assert r.take(5) == b'PGDMP' and r.take(3) == b'\x01\x0e\x00'
    assert r.take(3) == b'\x04\x08\x01', 'a custom archive is wanted'
    head = {'level': r.int(), 'time': [r.int() for _ in range(7)],
            'names': [r.str() for _ in range(3)]}
    entries = []
    for _ in range(r.int()):
        e = {'id': r.int(), 'had': r.int(), 'tableoid': r.str(),
             'oid': r.str(), 'tag': r.str(), 'desc': r.str(),
             'section': r.int(), 'defn': r.str(), 'drop': r.str(),
             'copy': r.str(), 'schema': r.str(), 'space': r.str(),
             'am': r.str(), 'owner': r.str(), 'oids': r.str(), 'deps': [],
             'relkind': 0}
        while True:
            dep = r.str()
            if dep is None:
                break
            e['deps'].append(dep)
        e['place'], _ = r.take(1)[0], r.take(8)
        entries.append(e)
    blocks = {}

    def stream():
        data = b''
        while True:
            n = r.int()
            if n == 0:
                break
            data += r.take(n)
        if head['level'] != 0 and data:
            data = zlib.decompress(data)
        return data

    while r.at < len(r.data):
        kind, number = r.take(1)[0], r.int()
        if kind == 1:
            blocks[number] = stream()
            continue
        objects = []
        while True:
            oid = r.int()
            if oid == 0:
                break
            objects.append((oid, stream()))
        blocks[number] = objects
    return head, entries, blocks


def pack(data, how, in_file=False):
    if how == 'zlib':
        if in_file:
            c = zlib.compressobj(6, zlib.DEFLATED, 31)
            return c.compress(data) + c.flush()
        return zlib.compress(data)
    if how in ('lz4', 'zstd'):
        return subprocess.run([how, '-q', '-c'], input=data, check=True,
                              stdout=subprocess.PIPE).stdout
    return data


def ints(value, size):
    return (bytes([value < 0]) + abs(value).to_bytes(size, 'little'))


def strs(value, size):
    if value is None:
        return ints(-1, size)
    return ints(len(value), size) + value


def with_metadata(entries):
    """One BLOB METADATA entry of those whose owner is the first's, as 1.16
    has it, and an ACL of all of them."""
    blobs = [e for e in entries if e['desc'] == b'BLOB']
    mine = [e for e in blobs if e['owner'] == blobs[0]['owner']]
    oids = [e['tag'] for e in mine]
    one = dict(mine[0], desc=b'BLOB METADATA', tag=oids[0] + b'..' + oids[-1],
               defn=b''.join(o + b'\n' for o in oids))
    acl = dict(one, id=max(e['id'] for e in entries) + 1, desc=b'ACL',
               tag=b'LARGE OBJECTS ' + one['tag'], drop=None, section=1,
               deps=[b'%d' % one['id']],
               defn=b'GRANT SELECT ON LARGE OBJECT ' + oids[0] +
                    b' TO "a;b";\nGRANT ALL ON LARGE OBJECT ' + oids[0] +
                    b' TO c WITH GRANT OPTION;\n')
    out = []
    for e in entries:
        if e is mine[0]:
            out.append(one)
        elif e not in mine:
            out.append(e)
    return out + [acl]


def table_of_contents(head, entries, s, kind, places):
    size, minor = int(s['int']), int(s['minor'])
    out = b'PGDMP' + bytes([1, minor, 0, size, 8, kind])
    if minor < 15:
        out += ints(0 if s['packing'] == 'none' else 6, size)
    else:
        out += bytes([['none', 'zlib', 'lz4', 'zstd'].index(s['packing'])])
    out += b''.join(ints(t, size) for t in head['time'])
    names = list(head['names'])
    if s['dumper']:
        names[2] = s['dumper'].encode()
    out += b''.join(strs(n, size) for n in names)
    out += ints(len(entries), size)
    for e in entries:
        out += ints(e['id'], size) + ints(e['had'], size)
        for name in ('tableoid', 'oid', 'tag', 'desc'):
            out += strs(e[name], size)
        out += ints(e['section'], size)
        for name in ('defn', 'drop', 'copy', 'schema', 'space'):
            out += strs(e[name], size)
        if minor >= 14:
            out += strs(e['am'], size)
        if minor >= 16:
            out += ints(e['relkind'], size)
        out += strs(e['owner'], size) + strs(e['oids'], size)
        for dep in e['deps']:
            out += strs(dep, size)
        out += strs(None, size)
        out += places(e)
    return out


def chunks(data, size, step=1000):
    out = b''
    step = min(step, 100) if size == 1 else step
    for i in range(0, len(data), step):
        part = data[i:i + step]
        out += ints(len(part), size) + part
    return out + ints(0, size)


def block(number, content, s):
    size, how = int(s['int']), s['packing']
    if isinstance(content, bytes):
        return b'\x01' + ints(number, size) + chunks(pack(content, how), size)
    out = b'\x03' + ints(number, size)
    for oid, data in content:
        out += ints(oid, size) + chunks(pack(data, how), size)
    return out + ints(0, size)


def write_custom(path, head, entries, blocks, s):
    by_tag = {e['tag'].decode(): e['id'] for e in entries if e['had']}
    order = [e['id'] for e in entries if e['had']]
    if s['order'] == 'reverse':
        order.reverse()
    parts = [(n, block(n, blocks[n], s)) for n in order
             if n != by_tag.get(s['drop'])]
    if s['double']:
        n = by_tag[s['double']]
        parts.append((0, block(n, blocks[n], s)))
    if s['unknown']:
        parts.insert(1, (0, block(999999, b'whose?\n\\.\n\n\n', s)))
    if s['damage']:
        n = by_tag[s['damage']]
        i = [p[0] for p in parts].index(n)
        raw = bytearray(parts[i][1])
        raw[len(raw) // 2] ^= 0x55
        parts[i] = (n, bytes(raw))

    def places(at):
        def place(e):
            if not e['had']:
                return b'\x03' + bytes(8)
            if s['offsets'] == 'unset':
                return b'\x01' + bytes(8)
            off = at.get(e['id'], 0) + (s['offsets'] == 'wrong') * 3
            return b'\x02' + off.to_bytes(8, 'little')
        return place

    toc = table_of_contents(head, entries, s, 1, places({}))
    at, offset = {}, len(toc)
    for n, data in parts:
        at.setdefault(n, offset)
        offset += len(data)
    with open(path, 'wb') as f:
        f.write(table_of_contents(head, entries, s, 1, places(at)))
        for _, data in parts:
            f.write(data)


def write_dir(path, head, entries, blocks, s):
    size = int(s['int'])
    ending = {'none': '', 'zlib': '.gz', 'lz4': '.lz4', 'zstd': '.zst'}
    ending = ending[s['packing']]

    def lists(e):
        new = int(s['minor']) >= 16
        return 'blobs_%d.toc' % e['id'] if new else 'blobs.toc'

    def place(e):
        name = ''
        if e['had']:
            name = lists(e) if e['desc'] == b'BLOBS' else '%d.dat' % e['id']
        return strs(name.encode(), size)

    def put(name, data):
        with open(os.path.join(path, name), 'wb') as f:
            f.write(data)

    os.mkdir(path)
    toc = table_of_contents(head, entries, s, 3, place)
    put('toc.dat' + ending, pack(toc, s['packing'], True))
    for e in entries:
        if not e['had']:
            continue
        content = blocks[e['id']]
        if isinstance(content, bytes):
            put('%d.dat%s' % (e['id'], ending),
                pack(content, s['packing'], True))
            continue
        listed = ''
        for oid, data in content:
            name = 'blob_%d.dat' % (oid & 0xffffffff)
            listed += '%d %s\n' % (oid & 0xffffffff, name)
            put(name + ending, pack(data, s['packing'], True))
        put(lists(e), listed.encode())


def main():
    s = {'minor': '14', 'packing': 'none', 'int': '4', 'offsets': 'set',
         'order': 'toc', 'dumper': '', 'metadata': '', 'drop': '',
         'unknown': '', 'double': '', 'damage': '', 'dir': '',
         'without': '', 'std': '', 'open': ''}
    for setting in sys.argv[3:]:
        name, value = setting.split('=', 1)
        assert name in s, name
        s[name] = value
    head, entries, blocks = read(sys.argv[1])
    entries = [e for e in entries if e['desc'].decode() != s['without']]
    for e in entries:
        if s['std'] and e['desc'] == b'STDSTRINGS':
            e['defn'] = b"SET standard_conforming_strings = 'off';\n"
        if e['desc'].decode() == s['open']:
            e['defn'] += b"'"
    if s['metadata']:
        entries = with_metadata(entries)
    if int(s['minor']) >= 16:
        for e in entries:
            if e['desc'] == b'TABLE':
                e['relkind'] = ord('r')
                if b'PARTITION BY' in e['defn']:
                    e['relkind'], e['am'] = ord('p'), b'heap'
    (write_dir if s['dir'] else write_custom)(sys.argv[2], head, entries,
                                              blocks, s)


main()
