#!/usr/bin/python3
"""A pretended kubelet for a real kube-apiserver: a simulator of the one part that
cannot run here.  Registers a node, binds and readies pods, lets deleted ones go,
and serves exec over WebSocket, the commands being processes of this machine in the
mounts of pod_world.py.
usage: kubelet.py APISERVER TOKEN KUBE PORT CERT KEY   KUBE/claims/NS/NAME: volumes
"""
import base64
import hashlib
import http.server
import json
import os
import ssl
import struct
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from pod_world import enter  # noqa: E402

API, TOKEN, KUBE, PORT, CERT, KEY = sys.argv[1:7]
NODE = "node-1"
PLAIN = ssl._create_unverified_context()
STRATEGIC = "application/strategic-merge-patch+json"


def call(method, path, body=None, kind="application/json"):
    request = urllib.request.Request(
        API + path, method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + TOKEN, "Content-Type": kind})
    try:
        with urllib.request.urlopen(request, context=PLAIN, timeout=30) as f:
            return json.load(f)
    except urllib.error.HTTPError as e:
        return {"code": e.code, "said": e.read().decode()[:300]}


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def register():
    call("POST", "/api/v1/nodes", {"kind": "Node", "apiVersion": "v1",
                                   "metadata": {"name": NODE}})
    call("PATCH", "/api/v1/nodes/%s/status" % NODE, {"status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": int(PORT)}},
        "allocatable": {"pods": "100", "cpu": "8", "memory": "8Gi"},
        "capacity": {"pods": "100", "cpu": "8", "memory": "8Gi"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "x",
                        "lastHeartbeatTime": now(),
                        "lastTransitionTime": now(), "message": "x"}]}},
         STRATEGIC)
    call("PATCH", "/api/v1/nodes/" + NODE, {"spec": {"taints": None}},
         "application/merge-patch+json")


def look_after(pod):
    meta, spec = pod["metadata"], pod["spec"]
    at = "/api/v1/namespaces/%s/pods/%s" % (meta["namespace"], meta["name"])
    if meta.get("deletionTimestamp"):
        call("DELETE", at, {"gracePeriodSeconds": 0})
    elif not spec.get("nodeName"):
        call("POST", at + "/binding", {
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": meta["name"]},
            "target": {"kind": "Node", "name": NODE}})
    elif pod["status"].get("phase", "Pending") == "Pending":
        for volume in spec.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim:
                os.makedirs(os.path.join(KUBE, "claims", meta["namespace"],
                                         claim), exist_ok=True)
        os.makedirs(os.path.join(KUBE, "pods", meta["namespace"],
                                 meta["name"]), exist_ok=True)
        call("PATCH", at + "/status", {"status": {
            "phase": "Running", "podIP": "10.1.0.1", "startTime": now(),
            "conditions": [{"type": t, "status": "True",
                            "lastTransitionTime": now()}
                           for t in ("Initialized", "Ready", "PodScheduled",
                                     "ContainersReady")],
            "containerStatuses": [{
                "name": c["name"], "image": c["image"], "imageID": "",
                "ready": True, "started": True, "restartCount": 0,
                "state": {"running": {"startedAt": now()}}}
                for c in spec["containers"]]}}, STRATEGIC)


def look_after_all():
    while True:
        try:
            for pod in call("GET", "/api/v1/pods").get("items", []):
                look_after(pod)
        except OSError:
            pass
        time.sleep(0.2)


class Channel:
    """Kubernetes' channels over one WebSocket: the first byte says which."""

    def __init__(self, stream, rest):
        self.stream, self.rest = stream, rest
        self.lock = threading.Lock()

    def frame(self, kind, data):
        if len(data) < 126:
            head = struct.pack(">BB", 0x80 | kind, len(data))
        elif len(data) < 65536:
            head = struct.pack(">BBH", 0x80 | kind, 126, len(data))
        else:
            head = struct.pack(">BBQ", 0x80 | kind, 127, len(data))
        with self.lock:
            self.stream.sendall(head + data)

    def send(self, channel, data):
        self.frame(2, bytes([channel]) + data)

    def exactly(self, count):
        data = self.rest.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def messages(self):
        """(channel, data) until it is closed."""
        whole = b""
        while True:
            first, second = self.exactly(2)
            length = second & 127
            if length == 126:
                length, = struct.unpack(">H", self.exactly(2))
            elif length == 127:
                length, = struct.unpack(">Q", self.exactly(8))
            mask = self.exactly(4) if second & 128 else None
            data = self.exactly(length)
            if mask and length:
                key = (mask * (length // 4 + 1))[:length]
                data = (int.from_bytes(data, "big") ^
                        int.from_bytes(key, "big")).to_bytes(length, "big")
            kind = first & 15
            if kind == 8:
                return
            if kind == 9:
                self.frame(10, data)
            if kind > 8:
                continue
            whole += data
            if first & 128 and whole:
                yield whole[0], whole[1:]
            if first & 128:
                whole = b""


def spawn(ns, name, container, command, given):
    """A process in the pod: its pid, and our ends of its three streams."""
    pod = call("GET", "/api/v1/namespaces/%s/pods/%s" % (ns, name))
    of = next(c for c in pod["spec"]["containers"] if c["name"] == container)
    ends = [os.pipe() for _ in range(3)]
    pid = os.fork()
    if pid == 0:
        try:
            for theirs, number in ((ends[0][0], 0), (ends[1][1], 1),
                                   (ends[2][1], 2)):
                os.dup2(theirs, number)
            if not given:
                os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.closerange(3, 256)
            os.execvpe(command[0], command, enter(KUBE, ns, pod, of))
        except OSError as e:
            os.write(2, ("%s\n" % e).encode())
        os._exit(127)
    for mine in (ends[0][0], ends[1][1], ends[2][1]):
        os.close(mine)
    return pid, ends[0][1], ends[1][0], ends[2][0]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        words = url.path.strip("/").split("/")
        query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        if words[0] != "exec" or len(words) != 4 or \
                (self.headers.get("Upgrade") or "").lower() != "websocket":
            self.send_error(400, "only exec over WebSocket is simulated")
            return
        self.answer()
        self.serve(words[1:], query)
        self.close_connection = True

    do_POST = do_GET

    def answer(self):
        key = self.headers["Sec-WebSocket-Key"]
        offered = self.headers.get_all("Sec-WebSocket-Protocol") or []
        offered = [x.strip() for one in offered for x in one.split(",")]
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
                              .encode()).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept",
                         base64.b64encode(accept).decode())
        self.send_header("Sec-WebSocket-Protocol", next(
            p for p in ("v5.channel.k8s.io", "v4.channel.k8s.io")
            if p in offered))
        self.end_headers()
        self.wfile.flush()

    def serve(self, where, query):
        given = query.get("input", query.get("stdin", ["0"]))[0] in ("1", "true")
        channel = Channel(self.connection, self.rfile)
        pid, to, out, said = spawn(*where, query["command"], given)
        pumps = [threading.Thread(target=self.pump, args=(channel, fd, number))
                 for fd, number in ((out, 1), (said, 2))]
        for pump in pumps:
            pump.start()
        threading.Thread(target=self.feed, args=(channel, to),
                         daemon=True).start()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        for pump in pumps:
            pump.join()
        end = {"metadata": {}, "status": "Success"}
        if status:
            end = {"metadata": {}, "status": "Failure",
                   "reason": "NonZeroExitCode",
                   "message": "command terminated with non-zero exit code",
                   "details": {"causes": [{"reason": "ExitCode",
                                           "message": str(status)}]}}
        try:
            channel.send(3, json.dumps(end).encode())
            channel.frame(8, struct.pack(">H", 1000))
        except OSError:
            pass

    @staticmethod
    def pump(channel, fd, number):
        while True:
            data = os.read(fd, 32768)
            if not data:
                os.close(fd)
                return
            try:
                channel.send(number, data)
            except OSError:
                pass

    @staticmethod
    def feed(channel, fd):
        try:
            for number, data in channel.messages():
                if number == 0:
                    while data:
                        data = data[os.write(fd, data):]
                elif number == 255 and data[:1] == b"\0":
                    break
        except (OSError, EOFError, ValueError):
            pass
        os.close(fd)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


register()
threading.Thread(target=look_after_all, daemon=True).start()
server = Server(("127.0.0.1", int(PORT)), Handler)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(CERT, KEY)
server.socket = tls.wrap_socket(server.socket, server_side=True,
                                do_handshake_on_connect=False)
server.serve_forever()
