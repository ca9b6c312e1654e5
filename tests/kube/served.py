"""A simulator of kubectl as a server, so that a call costs no start of an interpreter:
tests/dv/kubectl.c hands it its words and descriptors, at $KUBE.socket.  Each call is a
process of its own.

usage: served.py     (of tests/kube/cluster.py; others call listen)"""
import array
import gc
import io
import os
import signal
import socket
import sys


def serve(one, main):
    """In a process of its own: one call, its end as a byte."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    fds = array.array("i")
    data, parts, _, _ = one.recvmsg(1 << 20, socket.CMSG_LEN(3 * 4))
    for level, kind, bytes_ in parts:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(bytes_[:12])
    while not data.endswith(b"\0\0"):
        more = one.recv(1 << 20)
        if not more:  # it was killed
            os._exit(0)
        data += more
    for to, fd in enumerate(fds):
        os.dup2(fd, to)
        os.close(fd)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False))
    status = 0
    try:
        main([w.decode() for w in data[:-2].split(b"\0")])
    except SystemExit as end:
        status = end.code or 0
    except Exception as error:  # the simulator's own
        print(f"the simulator: {error!r}", file=sys.stderr)
        status = 99
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        one.send(bytes([status & 255]))
    except OSError:
        pass
    os._exit(0)


def listen(main):
    path = os.environ["KUBE"] + ".socket"
    if os.path.exists(path):
        os.unlink(path)
    top = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    top.bind(path)
    top.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # no page of what is forked is written to for its own sake
    gc.disable()
    gc.freeze()
    while True:
        one, _ = top.accept()
        if os.fork() == 0:
            top.close()
            serve(one, main)
        one.close()


def of_cluster(words):
    from cluster import main
    sys.argv = ["kubectl", *words]
    main()


if __name__ == "__main__":
    # once, for all calls
    import ctypes  # noqa: F401
    import re  # noqa: F401
    import cluster  # noqa: F401
    import pod_world  # noqa: F401
    listen(of_cluster)
