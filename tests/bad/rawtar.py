"""Tar archives by hand, header by header: also what no tar would write."""

BLOCK = 512


def noise(size, seed, step=1, width=1):
    """Bytes that are the same every time: width random ones every step."""
    import hashlib
    out = bytearray(b'.' * size)
    count = -(-size // step) * width
    stream = b''.join(
        hashlib.sha256(b'%d %d' % (seed, i)).digest()
        for i in range(-(-count // 32)))
    for i, at in enumerate(range(0, size, step)):
        n = min(width, size - at)
        out[at:at + n] = stream[i * width:i * width + n]
    return bytes(out)


def number(value, width):
    """As octal, where it fits; else base-256; bytes as they are."""
    if isinstance(value, bytes):
        return value.ljust(width, b'\0')[:width]
    octal = b'%0*o\0' % (width - 1, value)
    if value >= 0 and len(octal) == width:
        return octal
    if value >= 0:
        return b'\x80' + value.to_bytes(width - 1, 'big')
    return b'\xff' + (value % (1 << 8 * (width - 1))).to_bytes(
        width - 1, 'big')


MAGIC = {'v7': b'\0' * 8, 'ustar': b'ustar\x0000', 'gnu': b'ustar  \0'}


def raw(s):
    return s if isinstance(s, bytes) else s.encode()


def sum_up(block):
    """The checksum of a header put in its place."""
    block = bytearray(block)
    block[148:156] = b' ' * 8
    block[148:156] = b'%06o\0 ' % sum(block)
    return bytes(block)


def header(name, type='0', size=0, mode=0o644, uid=0, gid=0, mtime=1611343651,
           link='', uname='root', gname='root', major=0, minor=0, prefix='',
           dialect='ustar', put=()):
    """put: (offset, bytes) laid over the header before its sum is made."""
    block = bytearray(BLOCK)
    fields = [(0, raw(name)[:100]), (100, number(mode, 8)),
              (108, number(uid, 8)), (116, number(gid, 8)),
              (124, number(size, 12)), (136, number(mtime, 12)),
              (156, raw(type)), (157, raw(link)[:100])]
    if dialect != 'v7':
        fields += [(257, MAGIC[dialect]), (265, raw(uname)[:32]),
                   (297, raw(gname)[:32]), (329, number(major, 8)),
                   (337, number(minor, 8)), (345, raw(prefix)[:155])]
    for at, value in fields + list(put):
        block[at:at + len(value)] = value
    return sum_up(block)


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def member(name, data=b'', **fields):
    data = raw(data)
    fields.setdefault('size', len(data))
    return header(name, **fields) + padded(data)


def directory(name, **fields):
    fields.setdefault('mode', 0o755)
    return header(name, type='5', **fields)


def record(key, value):
    body = b' ' + raw(key) + b'=' + raw(value) + b'\n'
    size = len(body) + 1
    while len(b'%d' % size) + len(body) != size:
        size += 1
    return b'%d' % size + body


def pax(records, type='x', name='./PaxHeaders/x'):
    """An extended header; records: (key, value), or the bytes themselves."""
    body = records if isinstance(records, bytes) else b''.join(
        record(k, v) for k, v in records)
    return member(name, body, type=type)


def long_name(name, type='L'):
    return member('././@LongLink', raw(name) + b'\0', type=type, mode=0,
                  dialect='gnu')


def end(archive, blocking=20):
    archive += bytes(2 * BLOCK)
    return archive + bytes(-len(archive) % (blocking * BLOCK))
