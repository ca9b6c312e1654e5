"""What is backed up: small trees that change and have much in common.

A tree is a dict of path to bytes.  All is drawn from pools, so that trees of
different sources share files, and pieces come back after they were gone.
"""
import io
import os
import random
import shutil
import tarfile

TINY, TEXTS, LARGE = 400, 60, 12
PAD_BYTES = 1200000  # more than a reader of archives takes ahead


def room():
    """A disk of memory where there is one with room: thousands of syncs."""
    shm = "/dev/shm"
    if os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 2 << 30:
        return shm
    return os.environ.get("TMPDIR", "/tmp")


def tiny(i):
    """Many of one length: with ids of 8 bits most of them collide."""
    return b"%04d" % i


def text(i):
    r = random.Random(f"text {i}")
    return r.randbytes(r.randrange(0, 3000))


def large(i):
    r = random.Random(f"large {i}")
    return r.randbytes(r.randrange(20000, 70000))


def grown(i):
    """The same beginning, more and more behind it."""
    r = random.Random("grown")
    return r.randbytes(30000 + 9000 * (i % 8)) + b"%d" % i


def any_bytes(r):
    kind = r.randrange(20)
    if kind < 12:
        return tiny(r.randrange(TINY))
    if kind < 17:
        return text(r.randrange(TEXTS))
    if kind < 19:
        return large(r.randrange(LARGE))
    return grown(r.randrange(100))


def any_path(r):
    return r.choice(("", "d/", "e/", "e/f/")) + f"n{r.randrange(60)}"


def changed(tree, r):
    """Another version of tree."""
    tree = dict(tree)
    for _ in range(r.choice((0, 2, 5, 12, 30))):
        if tree and r.random() < 0.4:
            del tree[r.choice(sorted(tree))]
        else:
            tree[any_path(r)] = any_bytes(r)
    if sum(map(len, tree.values())) < 30000:
        tree["big"] = large(r.randrange(LARGE))
    return tree


def directories(tree):
    found = set()
    for path in tree:
        while "/" in path:
            path = path.rsplit("/", 1)[0]
            found.add(path)
    return found


def write(tree, top, was=None):
    """Make of top, where tree `was` lies, tree; what is equal is not touched."""
    was = was or {}
    for path in was:
        if path not in tree:
            os.unlink(f"{top}/{path}")
    for path in sorted(directories(was) - directories(tree), reverse=True):
        os.rmdir(f"{top}/{path}")
    for path in sorted(directories(tree) - directories(was)):
        os.mkdir(f"{top}/{path}")
    for path, data in tree.items():
        if was.get(path) != data:
            with open(f"{top}/{path}", "wb") as file:
                file.write(data)


def read(top):
    """The tree that lies in top."""
    tree = {}
    for folder, _, files in os.walk(top):
        for name in files:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                tree[os.path.relpath(path, top)] = file.read()
    return tree


def pack(tree, r, pad=False):
    """A tar of it, in any order.  pad: and where its padding ends, which is a
    file of zeros somewhere in the middle: so much that an add that waits for
    more has stored what comes before it."""
    out = io.BytesIO()
    paths = sorted(tree)
    r.shuffle(paths)
    end = 0
    if pad:
        tree = {**tree, "pad": bytes(PAD_BYTES)}
        if "pad" in paths:
            paths.remove("pad")
        paths.insert(r.randrange(len(paths) // 2, len(paths) + 1), "pad")
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for path in sorted(directories(tree)):
            info = tarfile.TarInfo(path)
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, 1
            t.addfile(info)
        for path in paths:
            info = tarfile.TarInfo(path)
            info.size, info.mtime = len(tree[path]), 1
            t.addfile(info, io.BytesIO(tree[path]))
            if path == "pad":
                end = out.tell()
    return (out.getvalue(), end) if pad else out.getvalue()


def unpack(data):
    """The tree in a tar."""
    tree = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        for info in t:
            if info.isreg():
                name = info.name
                if name.startswith("./"):
                    name = name[2:]
                tree[name] = t.extractfile(info).read()
    return tree


def compare(found, wanted):
    """None, or in words how they differ."""
    if found == wanted:
        return None
    words = []
    for path in sorted(set(found) | set(wanted)):
        if path not in found:
            words.append(f"{path} is missing")
        elif path not in wanted:
            words.append(f"{path} should not be there")
        elif found[path] != wanted[path]:
            words.append(f"{path} has {found[path][:8]!r}… "
                         f"({len(found[path])}), not "
                         f"{wanted[path][:8]!r}… ({len(wanted[path])})")
    return "; ".join(words[:5])
