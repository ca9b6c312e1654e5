#!/usr/bin/python3 -SE
"""FlashArray and FlashBlade, REST 2.x, as far as varve asks: simulators.

usage: arrays.py DIR CERT KEY

One server for each of DIR/arrays/fa* and fb*, in the order of their names, on
ports the system gives, which are written to DIR/ports.  What changing calls do
is in array_state.py.  Written from the published interface: versions, login
by api-token, x-auth-token, pages by continuation_token, x-next-token or offset,
errors as bodies, 401, 429 and 503 with Retry-After.  Faults by files in DIR:

    old            only REST 1.x is served
    denied         logins are refused
    expire         a session is good for one page
    busy           each second answer is 429 or 503, Retry-After: 0
    error          volumes and file-systems answer with 500 and a body
    garbage        they answer with what is no JSON
    half           they answer 200 with errors beside items
    loop           the same continuation_token for ever
    header-token   tokens come in x-next-token alone
    no-token       no token: by offset
    echo           errors repeat the token that came
    down-<ARRAY>   that array hangs up on everybody
    safemode       nothing is eradicated
    change-fault   "N WHAT": what becomes of the Nth changing call from now on
                   (then the file is gone):
                     error    500 with a body, not done
                     busy     503 with Retry-After: 0, not done
                     expire   401, not done
                     drop     hung up on, not done
                     lost     done, and hung up on before the answer
Requests are lines in DIR/requests; changing calls, with bodies and what was
answered, are JSON in the lines of DIR/calls.
"""
import http.server
import json
import os
import socket
import ssl
import sys
import threading
import urllib.parse

sys.dont_write_bytecode = True
import array_state  # noqa: E402

DIR, CERT, KEY = sys.argv[1:4]
TOKENS = {"fa": os.environ["FA_TOKEN"], "fb": os.environ["FB_TOKEN"]}
SESSION = os.environ["SESSION"]
PAGE_MAX = 1000


def fault(name):
    return os.path.exists(os.path.join(DIR, name))


def take_fault():
    """What becomes of this changing call."""
    path = os.path.join(DIR, "change-fault")
    try:
        with open(path) as f:
            n, what = f.read().split()
    except OSError:
        return None
    if int(n) > 1:
        with open(path + ".new", "w") as f:
            f.write("%d %s\n" % (int(n) - 1, what))
        os.rename(path + ".new", path)
        return None
    os.remove(path)
    return what


def is_asked_for(item, args):
    """names, destroyed, and of filters name='NAME'."""
    name = item.get("name")
    if "names" in args and name not in args["names"].split(","):
        return False
    if "destroyed" in args and \
            item.get("destroyed", False) != (args["destroyed"] == "true"):
        return False
    for key, at in (("host_names", "host"), ("volume_names", "volume")):
        if key in args and item.get(at, {}).get("name") != args[key]:
            return False
    wanted = args.get("filter")
    return not wanted or wanted == "name='%s'" % name


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # else each body waits for the headers' acknowledgement
    disable_nagle_algorithm = True
    array = None
    sessions = {}
    count = 0

    def log_message(self, *args):
        pass

    def reply(self, status, body, headers=()):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, message, context=None):
        if fault("echo"):
            message += " token %s" % self.token()
        self.reply(status, {"errors": [{"context": context,
                                        "message": message}]})

    def token(self):
        return TOKENS[self.array[:2]]

    def note(self):
        with open(os.path.join(DIR, "requests"), "a") as f:
            f.write("%s %s %s\n" % (self.array, self.command, self.path))

    def busy(self):
        cls = type(self)
        cls.count += 1
        if fault("busy") and cls.count % 2:
            self.reply(429 if cls.count % 4 == 1 else 503, "",
                       [("Retry-After", "0")])
            return True
        return False

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def is_down(self):
        if fault("down-" + self.array):
            self.hang_up()
            return True
        return False

    def read_body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self):
        self.note()
        body = self.read_body()
        if self.is_down() or self.busy():
            return
        fa = self.array.startswith("fa")
        if self.path == ("/api/2.26/login" if fa else "/api/login"):
            if fault("denied") or \
                    self.headers.get("api-token") != self.token():
                return self.error(401, "invalid api token")
            session = "%s%d" % (SESSION, len(self.sessions))
            self.sessions[session] = 0
            return self.reply(200, {"items": [{"username": "pureuser"}]},
                              [("x-auth-token", session)])
        if self.path == ("/api/2.26/logout" if fa else "/api/logout"):
            self.sessions.pop(self.headers.get("x-auth-token"), None)
            return self.reply(200, {})
        self.change("POST", body)

    def do_PATCH(self):
        self.note()
        body = self.read_body()
        if not self.is_down() and not self.busy():
            self.change("PATCH", body)

    def do_DELETE(self):
        self.note()
        body = self.read_body()
        if not self.is_down() and not self.busy():
            self.change("DELETE", body)

    def is_let_in(self):
        session = self.headers.get("x-auth-token")
        if session not in self.sessions:
            self.error(401, "session is not valid")
            return False
        self.sessions[session] += 1
        if fault("expire") and self.sessions[session] > 1:
            del self.sessions[session]
            self.error(401, "session expired")
            return False
        return True

    def change(self, verb, text):
        if not self.is_let_in():
            return
        url = urllib.parse.urlparse(self.path)
        if not url.path.startswith("/api/2.26/"):
            return self.error(404, "no such version")
        resource = url.path[len("/api/2.26/"):]
        args = dict(urllib.parse.parse_qsl(url.query))
        try:
            body = json.loads(text) if text else {}
        except ValueError:
            return self.error(400, "malformed body")
        with array_state.LOCK:
            what = take_fault()
            if what in ("error", "busy", "expire", "drop"):
                self.record(verb, resource, args, body, what)
                return self.fail_change(what)
            try:
                items = array_state.State(DIR, self.array).change(
                    verb, resource, args, body)
            except array_state.Refused as r:
                self.record(verb, resource, args, body, r.status)
                return self.error(r.status, r.message, r.context)
            self.record(verb, resource, args, body, what or 200)
            if what == "lost":
                return self.hang_up()
        if verb == "DELETE":
            return self.reply(200, "")
        self.reply(200, {"items": items})

    def fail_change(self, what):
        if what == "error":
            return self.error(500, "internal error")
        if what == "busy":
            return self.reply(503, "", [("Retry-After", "0")])
        if what == "expire":
            self.sessions.clear()
            return self.error(401, "session expired")
        self.hang_up()

    def record(self, verb, resource, args, body, came):
        with open(os.path.join(DIR, "calls"), "a") as f:
            f.write(json.dumps({"array": self.array, "verb": verb,
                                "resource": resource, "args": args,
                                "body": body, "came": came}) + "\n")

    def do_GET(self):
        self.note()
        if self.is_down() or self.busy():
            return
        url = urllib.parse.urlparse(self.path)
        if url.path == "/api/api_version":
            versions = ["1.17"] if fault("old") else \
                ["1.17", "2.2", "2.26", "2.9"]
            return self.reply(200, {
                "version" if self.array.startswith("fa") else "versions":
                versions})
        if not self.is_let_in():
            return
        if not url.path.startswith("/api/2.26/"):
            return self.error(404, "no such version")
        self.query(url.path[len("/api/2.26/"):],
                   dict(urllib.parse.parse_qsl(url.query)))

    def query(self, name, args):
        path = os.path.join(DIR, "arrays", self.array, name + ".json")
        if not os.path.exists(path):
            return self.error(404, "no such path", name)
        if name in ("volumes", "file-systems"):
            if fault("error"):
                return self.error(500, "internal error", name)
            if fault("garbage"):
                return self.reply(200, "<html>busy</html>")
        items = array_state.State(DIR, self.array).items(name)
        items = [i for i in items if is_asked_for(i, args)]
        if "names" in args and not items:
            return self.error(400, "does not exist.", args["names"])
        limit = min(int(args.get("limit", PAGE_MAX)), PAGE_MAX)
        token = args.get("continuation_token")
        start = int(token.split("+/=")[1]) if token else \
            int(args.get("offset", 0))
        page = items[start:start + limit]
        more = start + limit < len(items)
        body = {"items": page, "more_items_remaining": more,
                "total_item_count": len(items)}
        if name == "volumes" and fault("half"):
            body["errors"] = [{"context": "fleet", "message":
                               "a member did not answer"}]
        headers = []
        if more and not fault("no-token"):
            # what must be escaped in a URL
            following = "t&?+/=%d" % (0 if fault("loop") else start + limit)
            if not fault("header-token"):
                body["continuation_token"] = following
            headers.append(("x-next-token", following))
        self.reply(200, body, headers)


def serve(array):
    handler = type("Handler_" + array, (Handler,),
                   {"array": array, "sessions": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERT, KEY)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def main():
    ports = [serve(name) for name in sorted(os.listdir(DIR + "/arrays"))]
    with open(DIR + "/ports.new", "w") as f:
        f.write(" ".join(str(port) for port in ports) + "\n")
    os.rename(DIR + "/ports.new", DIR + "/ports")
    sys.stdin.read()


main()
