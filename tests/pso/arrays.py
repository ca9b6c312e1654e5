#!/usr/bin/env python3
"""FlashArray and FlashBlade, REST 2.x, as far as a capture asks: simulators.

usage: arrays.py DIR CERT KEY

One server for each of DIR/arrays/fa1 and fb1, on ports the system gives, which
are written to DIR/ports.  Written from the published interface: versions, login
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
Requests are lines in DIR/requests.
"""
import http.server
import json
import os
import ssl
import sys
import threading
import urllib.parse

DIR, CERT, KEY = sys.argv[1:4]
TOKENS = {"fa1": os.environ["FA_TOKEN"], "fb1": os.environ["FB_TOKEN"]}
SESSION = os.environ["SESSION"]
PAGE_MAX = 1000


def fault(name):
    return os.path.exists(os.path.join(DIR, name))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
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
            message += " token %s" % TOKENS[self.array]
        self.reply(status, {"errors": [{"context": context,
                                        "message": message}]})

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

    def do_POST(self):
        self.note()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.busy():
            return
        fa = self.array == "fa1"
        if self.path == ("/api/2.26/login" if fa else "/api/login"):
            if fault("denied") or \
                    self.headers.get("api-token") != TOKENS[self.array]:
                return self.error(401, "invalid api token")
            session = "%s%d" % (SESSION, len(self.sessions))
            self.sessions[session] = 0
            return self.reply(200, {"items": [{"username": "pureuser"}]},
                              [("x-auth-token", session)])
        if self.path == ("/api/2.26/logout" if fa else "/api/logout"):
            self.sessions.pop(self.headers.get("x-auth-token"), None)
            return self.reply(200, {})
        self.error(404, "no such path")

    def do_GET(self):
        self.note()
        if self.busy():
            return
        url = urllib.parse.urlparse(self.path)
        if url.path == "/api/api_version":
            versions = ["1.17"] if fault("old") else \
                ["1.17", "2.2", "2.26", "2.9"]
            return self.reply(200, {"version" if self.array == "fa1" else
                                    "versions": versions})
        session = self.headers.get("x-auth-token")
        if session not in self.sessions:
            return self.error(401, "session is not valid")
        self.sessions[session] += 1
        if fault("expire") and self.sessions[session] > 1:
            del self.sessions[session]
            return self.error(401, "session expired")
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
        with open(path) as f:
            items = json.load(f)["items"]
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
    ports = [serve("fa1"), serve("fb1")]
    with open(DIR + "/ports.new", "w") as f:
        f.write("%d %d\n" % tuple(ports))
    os.rename(DIR + "/ports.new", DIR + "/ports")
    sys.stdin.read()


main()
