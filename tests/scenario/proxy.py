"""A proxy between an operator and the API server that counts, logs and does harm.

The operator speaks plain HTTP/1.1 to it, it speaks TLS to the API server. A rule (proxy.rule) gets each
request and names what becomes of it: None forwards it, anything else is called with the exchange.
What a Ray dashboard would answer comes from proxy.dashboard: the operator under test reaches it
through the API server's service proxy.
"""
import http.server
import json
import re
import socket
import socketserver
import threading
import time
import urllib.parse

WRITES = ("POST", "PUT", "PATCH", "DELETE")
DASHBOARD = re.compile(r"^/api/v1/namespaces/([^/]+)/services/([^/:]+):dashboard/proxy(/.*)$")


class Request:
    """One request as it came in, and what became of it."""

    def __init__(self, method, target, body, agent=""):
        url = urllib.parse.urlsplit(target)
        self.method, self.target, self.path, self.body, self.agent = method, target, url.path, body, agent
        self.query = dict(urllib.parse.parse_qsl(url.query))
        self.at, self.done, self.status = time.monotonic(), None, None
        parts = [p for p in self.path.split("/") if p]
        parts = parts[2:] if parts[:1] == ["api"] else parts[3:]
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            parts = parts[2:]
        self.resource = parts[0] if parts else ""
        self.name = parts[1] if len(parts) > 1 else ""
        self.subresource = parts[2] if len(parts) > 2 else ""

    @property
    def is_watch(self):
        return self.query.get("watch") in ("1", "true")

    @property
    def is_list(self):
        return self.method == "GET" and bool(self.resource) and not self.name and not self.is_watch

    @property
    def is_write(self):
        """A write of the operator's work (what it posts to a dashboard, too): not its lease, not an Event."""
        return self.method in WRITES and self.resource not in ("leases", "events", "")

    @property
    def for_dashboard(self):
        found = DASHBOARD.match(self.target)
        return found[3] if found else None

    @property
    def object_name(self):
        if self.name or not self.body:
            return self.name
        return json.loads(self.body).get("metadata", {}).get("name", "")

    def __repr__(self):
        return "%s %s -> %s" % (self.method, self.target, self.status)


# ---- what can become of a request: each is called with the exchange ----

def status(code, reason, retry_after=None):
    """The server refuses: nothing was done."""
    def answer(exchange):
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
                "message": "injected: " + reason, "code": code}
        headers = [] if retry_after is None else [("Retry-After", str(retry_after))]
        exchange.answer(code, json.dumps(body).encode(), headers)
    return answer


def cut(exchange):
    """The connection dies before the server saw the request."""
    exchange.drop()


def lose(exchange):
    """The server did it; the answer never arrives."""
    exchange.fetch()
    exchange.drop()


def gone(exchange):
    """A watch that begins well and ends with the event 410."""
    error = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired",
             "message": "too old resource version", "code": 410}
    exchange.answer(200, json.dumps({"type": "ERROR", "object": error}).encode() + b"\n")


def slow(pieces, pause):
    """The answer comes in so many pieces, with pauses."""
    def answer(exchange):
        code, body = exchange.fetch()
        exchange.begin(code, len(body))
        size = max(1, len(body) // pieces)
        for i in range(0, len(body), size):
            exchange.wfile.write(body[i:i + size])
            exchange.wfile.flush()
            time.sleep(pause)
    return answer


def partial(share):
    """Only this share of the answer comes, then the connection dies."""
    def answer(exchange):
        code, body = exchange.fetch()
        exchange.begin(code, len(body))
        exchange.wfile.write(body[:int(len(body) * share)])
        exchange.wfile.flush()
        exchange.drop()
    return answer


class Exchange(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.proxy, self.upstream = self.server.proxy, None
        self.proxy.track(self.connection)

    def finish(self):
        try:
            super().finish()
        except OSError:
            pass
        if self.upstream:
            self.upstream.close()

    def log_message(self, *args):
        pass

    def handle_request(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.request_seen = Request(self.command, self.path, self.rfile.read(length) if length else b"",
                                    self.headers.get("User-Agent", ""))
        try:
            self.proxy.serve(self, self.request_seen)
        except OSError:  # the operator or the server went away
            self.drop()
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request

    def answer(self, code, body, headers=()):
        self.begin(code, len(body), headers)
        self.wfile.write(body)

    def begin(self, code, length, headers=()):
        self.request_seen.status = code
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def drop(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def send_upstream(self):
        if self.upstream is None:
            self.upstream = self.proxy.api.connect()
            self.upstream.connect()
            self.proxy.track(self.upstream.sock)
        headers = dict(self.proxy.api.headers)
        for name in ("Accept", "Content-Type", "User-Agent"):
            if self.headers.get(name):
                headers[name] = self.headers[name]
        self.upstream.request(self.command, self.path, self.request_seen.body or None, headers)
        return self.upstream.getresponse()

    def fetch(self):
        """Asks the server, or the dashboard; gives status and body."""
        with self.proxy.lock:
            self.proxy.asking += 1
        try:
            return self.ask()
        finally:
            with self.proxy.lock:
                self.proxy.asking -= 1

    def ask(self):
        request, dashboard = self.request_seen, self.proxy.dashboard
        if request.for_dashboard and dashboard:
            code, out = dashboard.answer(request.method, request.for_dashboard, request.body)
            body = json.dumps(out).encode()
        else:
            response = self.send_upstream()
            code, body = response.status, response.read()
        request.status, request.done = code, time.monotonic()
        return code, body

    def forward(self):
        if self.request_seen.is_watch:
            self.stream()
            return
        code, body = self.fetch()
        if self.proxy.blocked.is_set():
            self.proxy.stall(self)
            return
        self.answer(code, body)

    def stream(self):
        response = self.send_upstream()
        self.request_seen.status = response.status
        self.send_response(response.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        while data := response.read1(65536):
            if self.proxy.blocked.is_set():
                self.proxy.stall(self)
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads, request_queue_size = True, 128

    def handle_error(self, request, client_address):
        pass  # a connection that was cut


class Proxy:
    def __init__(self, api, rule=None, dashboard=None):
        self.api, self.rule, self.dashboard = api, rule or (lambda request: None), dashboard
        self.log, self.lock, self.sockets, self.asking = [], threading.Lock(), [], 0
        self.blocked, self.closed = threading.Event(), threading.Event()
        self.server = Server(("127.0.0.1", 0), Exchange)
        self.server.proxy = self
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server.server_address[1]

    def track(self, sock):
        with self.lock:
            self.sockets = [s for s in self.sockets if s.fileno() >= 0]
            self.sockets.append(sock)

    def serve(self, exchange, request):
        if self.blocked.is_set():
            self.stall(exchange)
            return
        with self.lock:
            self.log.append(request)
            action = self.rule(request)
        if action:
            action(exchange)
        else:
            exchange.forward()
        request.done = request.done or time.monotonic()

    def stall(self, exchange):
        """Nothing comes through either way, as in a network that is cut in two."""
        while self.blocked.is_set() and not self.closed.is_set():
            time.sleep(0.05)
        exchange.drop()

    def writes(self):
        with self.lock:
            return [r for r in self.log if r.is_write]

    def drop_all(self):
        with self.lock:
            sockets, self.sockets = self.sockets, []
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.closed.set()
        self.server.shutdown()
        self.server.server_close()
        self.drop_all()


class Wire:
    """A proxy of bytes: the operator's TLS and HTTP/2 go to the API server, and can be cut."""

    def __init__(self, host, port):
        self.to, self.pairs, self.lock, self.cuts = (host, port), [], threading.Lock(), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return "https://127.0.0.1:%d" % self.listener.getsockname()[1]

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.to)
            except OSError:
                return
            with self.lock:
                self.pairs.append((near, far))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for sock in (a, b):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self.cuts += 1
            for sock in pair:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.listener.close()
        self.cut()
