"""One history of a store: random steps, each held against a model of what
must be there.

Every step draws from a generator of its own, made of seed and number, and
picks from what there is.  So a history with some of its steps left out is a
history, too, and one that fails can be made short.
"""
import collections
import fcntl
import json
import os
import random
import select
import shutil
import signal
import subprocess
import time

import world

STEPS = 28
WAIT_S = 60
LISTED, FORGOTTEN, GONE = "listed", "forgotten", "gone"
SOURCES = ("a", "b/c", "b/d")
OVER_HALF = "over half of all"
TAKEN_ID = "another add took the id"
# What a pack costs beyond its objects, and what it may cost that they compress
# otherwise where they lie beside others (docs/testing-model.md).
SLACK_PACK, SLACK_SHARE = 1024, 0.5

# How often each step is drawn.
WEIGHTS = {
    "add": 14, "add_tar": 6, "forget": 14, "undelete": 5, "pin": 2,
    "unpin": 2, "tag": 2, "prune": 16, "rebuild": 2, "check": 3,
    "drop_catalog": 1, "save_catalog": 3, "old_catalog": 2, "hang": 6,
    "feed": 3, "finish": 5, "kill_add": 2, "stop_add": 1, "cut_add": 1,
    "read": 5, "read_on": 5, "kill_reader": 1, "contents": 5, "quiet": 2,
    "mount": 1, "hold": 4, "look": 3, "let_go": 2, "unmount": 1,
    "copy_out": 4, "copy_back": 4, "thin_other": 1,
}
# In some histories adds hang most of the time, and what they count on goes.
CROWDED = {
    "add": 6, "add_tar": 1, "forget": 18, "undelete": 1, "prune": 22,
    "hang": 14, "feed": 6, "finish": 7, "kill_add": 2, "cut_add": 1,
    "read": 2, "read_on": 3, "kill_reader": 1, "contents": 3,
    "copy_out": 2, "copy_back": 3,
}
FAULTY = {"add", "add_tar", "forget", "undelete", "pin", "unpin", "tag",
          "prune", "rebuild", "check", "hang", "copy_out", "copy_back",
          "thin_other"}


class Fail(Exception):
    """A promise that was not kept."""


def wanted(fine, words):
    if not fine:
        raise Fail(words)


class Snapshot:
    def __init__(self, label, tree, tar, source):
        self.label, self.tree, self.tar = label, tree, tar
        self.source = source
        self.state = LISTED
        self.pinned = False
        self.tags = {}
        self.forgot_at = 0  # by the clock of steps
        self.whole = True


class Process:
    faulty = False

    def __init__(self, popen, opened):
        self.popen, self.opened = popen, opened


class Adder(Process):
    rest = b""
    snapshot = None


class Reader(Process):
    label = ""
    got = b""
    into = None  # a restore's target, or None: cat


class Mount(Process):
    handles = None


class History:
    def __init__(self, varve, work, seed, wide, mounts, faults):
        """wide: ids are whole, so that equal bytes are stored once."""
        self.varve, self.work, self.seed = varve, work, seed
        self.wide, self.mounts, self.faults = wide, mounts, faults
        self.store = work + "/s"
        self.snapshots = collections.OrderedDict()
        # a second store, and what was copied there
        self.second = work + "/second"
        self.copies = collections.OrderedDict()
        self.trees = {}  # as they lie in work/SOURCE
        self.adders, self.readers, self.mount = [], [], None
        # small packs, so that one add has several, sealed on its way
        self.pack_bytes = random.Random(f"{seed} pack").choice(
            (None, 6000, 20000, 60000))
        self.clock = 0
        self.log = []
        self.saved = False
        self.number = -1
        self.last_said = ""

    # The command.

    def environment(self, fault=None):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith("VARVE_")}
        env.update(LC_ALL="C", TZ="UTC", VARVE_STORE=self.store)
        if self.pack_bytes:
            env["VARVE_PACK"] = str(self.pack_bytes)
        if fault:
            env["VARVE_FAULT"] = fault
        return env

    def note(self, words):
        if not words.startswith("list "):
            words = words.replace(self.work + "/", "")
            self.log.append(f"{self.number:3} {words}")

    def ended(self, status, said, words):
        """How it ended, when it ended as it may: done, failed, killed."""
        self.note(f"{words} -> {status} {said.strip()[:300]}")
        self.last_said = said
        wanted("Sanitizer" not in said and "runtime error" not in said,
               f"{words}: {said[:3000]}")
        if status == 0:
            return "done"
        if status == -signal.SIGKILL:
            return "killed"
        wanted(1 <= status <= 5, f"{words}: exit status {status}: {said}")
        wanted("varve: " in said, f"{words}: failed without a word")
        return "failed"

    def run(self, *words, fault=None, data=None):
        """status, output; how it ended is noted."""
        done = subprocess.run((self.varve,) + words, input=data,
                              env=self.environment(fault),
                              stdin=subprocess.DEVNULL if data is None
                              else None, capture_output=True, check=False,
                              timeout=WAIT_S)
        how = self.ended(done.returncode,
                         done.stderr.decode(errors="replace"),
                         " ".join(words) + (f" [{fault}]" if fault else ""))
        self.status = done.returncode
        return how, done.stdout

    def must(self, *words):
        how, out = self.run(*words)
        if how != "done":
            raise Fail(f"varve {' '.join(words)}: exit status "
                       f"{self.status}: {self.last_said}"
                       f"{out[:1000].decode(errors='replace')}")
        return out

    # What must be there.

    def pick(self, r, *states):
        fit = [s for s in self.snapshots.values() if s.state in states]
        return r.choice(fit) if fit else None

    def alone(self):
        return not self.adders and not self.readers and not self.mount

    def processes(self):
        return self.adders + self.readers

    def is_needed(self, snapshot):
        """Somebody may read it who came before it was forgotten."""
        return any(p.opened < snapshot.forgot_at and not p.faulty and
                   p.popen.poll() is None
                   for p in self.processes()) or self.is_held(snapshot)

    def may_be_needed(self):
        """Who is about to die, or moves on by itself."""
        return self.mount or any(p.faulty for p in self.adders)

    def is_held(self, snapshot):
        return self.mount is not None and any(
            label == snapshot.label for label, _, _ in self.mount.handles)

    def observe(self, states=None, fields=None):
        """Compare the list with the model; states: what else each may be by
        now; fields: the same for (pinned, tags)."""
        states, fields = states or {}, fields or {}
        out = self.must("list", "--all", "--json")
        found = {}
        for line in out.decode().splitlines():
            row = json.loads(line)
            found[row["source"] + "@" + row["name"]] = row
        for label in found:
            wanted(label in self.snapshots, f"'{label}' is listed, which "
                   "is none of those there may be")
        for label, snapshot in list(self.snapshots.items()):
            row = found.get(label)
            state = GONE if row is None else \
                FORGOTTEN if row["forgotten"] else LISTED
            may = states.get(label, {snapshot.state})
            wanted(state in may, f"'{label}' is {state}, which should be "
                   + " or ".join(sorted(may)))
            if state == FORGOTTEN and snapshot.state != FORGOTTEN:
                snapshot.forgot_at = self.clock
            snapshot.state = state
            if state == GONE:
                del self.snapshots[label]
                continue
            is_now = (row["pinned"], row["tags"])
            may = [(snapshot.pinned, snapshot.tags)] + \
                fields.get(label, [])
            wanted(is_now in may, f"'{label}' has {is_now}, not {may}")
            snapshot.pinned, snapshot.tags = is_now

    def read_back(self, snapshot):
        if not snapshot.whole:
            self.run("verify", "-q", snapshot.label)
            wanted(self.status in (0, 3), f"verify: {self.last_said}")
            return
        out = self.must("cat", "--as", "tar", snapshot.label)
        self.same(world.unpack(out), snapshot)
        if snapshot.tar is not None:
            out = self.must("cat", "--original", snapshot.label)
            wanted(out == snapshot.tar, f"the original of "
                   f"'{snapshot.label}' has other bytes")

    def same(self, tree, snapshot):
        words = world.compare(tree, snapshot.tree)
        wanted(not words, f"'{snapshot.label}': {words}")

    # Steps: adding.

    def label_of(self, source):
        return f"{source}@2021-01-01T{self.number // 3600:02}-" \
            f"{self.number // 60 % 60:02}-{self.number % 60:02}Z"

    def time_of(self, label):
        date, clock = label.rsplit("@", 1)[1].split("T")
        return date + "T" + clock.replace("-", ":")

    def new_tree(self, r, source):
        """Often what only forgotten snapshots have, so that it is wanted
        again just before it goes."""
        old = self.pick(r, FORGOTTEN)
        if old and r.random() < 0.5:
            tree = old.tree
        else:
            like = source if r.random() < 0.7 else r.choice(SOURCES)
            tree = self.trees.get(like, {})
        tree = world.changed(tree, r)
        tree.pop("pad", None)
        return tree

    def expect_new(self, snapshot, how):
        may = {"done": {LISTED}, "failed": {GONE},
               "killed": {LISTED, GONE}}[how]
        self.snapshots[snapshot.label] = snapshot
        self.observe({snapshot.label: may})

    def do_add(self, r, fault):
        source = r.choice(SOURCES)
        top = f"{self.work}/in/{source}"
        tree = self.new_tree(r, source)
        os.makedirs(top, exist_ok=True)
        world.write(tree, top, self.trees.get(source))
        self.trees[source] = tree
        label = self.label_of(source)
        words = ["add", "-q", "-s", source, "-t", self.time_of(label), top]
        if r.random() < 0.2:
            words.insert(1, "--reread")
        how, _ = self.run(*words, fault=fault)
        wanted(fault or how == "done", f"add: {self.last_said}")
        self.expect_new(Snapshot(label, tree, None, source), how)

    def do_add_tar(self, r, fault):
        tree = self.new_tree(r, r.choice(SOURCES))
        data = world.pack(tree, r)
        label = self.label_of("t")
        path = f"{self.work}/t.tar"
        with open(path, "wb") as file:
            file.write(data)
        how, _ = self.run("add", "-q", "-s", "t", "-t",
                          self.time_of(label), path, fault=fault)
        wanted(fault or how == "done", f"add: {self.last_said}")
        self.expect_new(Snapshot(label, tree, data, "t"), how)

    # Steps: adds that hang in the middle.

    def is_adding(self, pid):
        try:
            for name in os.listdir(f"{self.store}/open"):
                with open(f"{self.store}/open/{name}", "rb") as file:
                    lines = file.read().decode(errors="replace").split("\n")
                if f"process={pid}" in lines:
                    return any(x.startswith("adding=") for x in lines)
        except FileNotFoundError:
            pass
        return False

    def wait_for(self, what, is_true):
        end = time.monotonic() + WAIT_S
        while not is_true():
            wanted(time.monotonic() < end, f"waited in vain until {what}")
            time.sleep(0.002)

    def send(self, adder, count):
        """Hand over so much of what is left, and see it taken."""
        pipe = adder.popen.stdin
        part, adder.rest = adder.rest[:count], adder.rest[count:]
        os.set_blocking(pipe.fileno(), True)
        try:
            pipe.write(part)
            pipe.flush()
            self.wait_for("the add read its input", lambda: adder.popen.poll()
                          is not None or self.is_empty(pipe))
        except BrokenPipeError:
            pass
        time.sleep(0.003)

    def is_empty(self, pipe):
        raw = fcntl.ioctl(pipe.fileno(), 0x541B, b"\0\0\0\0")  # FIONREAD
        return raw == b"\0\0\0\0"

    def do_hang(self, r, fault):
        if len(self.adders) >= 3:
            return
        tree = self.new_tree(r, r.choice(SOURCES))
        data, at = world.pack(tree, r, pad=True)
        tree["pad"] = bytes(world.PAD_BYTES)
        label = self.label_of("h")
        words = [self.varve, "add", "-q", "--workers", "1", "-s", "h", "-t",
                 self.time_of(label), "-"]
        popen = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=open(f"{self.work}/said.{self.number}", "wb"),
            env=self.environment(fault))
        adder = Adder(popen, self.clock)
        adder.rest = data
        adder.faulty = fault is not None
        adder.snapshot = Snapshot(label, tree, data, "h")
        adder.said = f"{self.work}/said.{self.number}"
        self.note(f"{' '.join(words[1:])} < {len(data)} bytes, hanging"
                  + (f" [{fault}]" if fault else ""))
        self.adders.append(adder)
        self.send(adder, at)
        self.wait_for("it adds", lambda: popen.poll() is not None or
                      self.is_adding(popen.pid))

    def do_feed(self, r, fault):
        if self.adders:
            adder = r.choice(self.adders)
            self.note(f"feed {adder.snapshot.label}")
            self.send(adder, r.randrange(1, len(adder.rest) + 2))

    def end_add(self, adder, sig=None):
        if sig:
            adder.popen.send_signal(sig)
        try:
            adder.popen.stdin.close()
        except BrokenPipeError:
            pass
        status = adder.popen.wait(timeout=WAIT_S)
        self.adders.remove(adder)
        with open(adder.said, errors="replace") as file:
            said = file.read()
        os.unlink(adder.said)
        return status, said

    def finish(self, adder):
        self.send(adder, len(adder.rest))
        status, said = self.end_add(adder)
        how = self.ended(status, said, f"finish {adder.snapshot.label}")
        # with ids that all collide, what cannot be read again has to fail
        wanted(how == "done" or adder.faulty or
               (TAKEN_ID in said and not self.wide), f"add: {said}")
        self.expect_new(adder.snapshot, how)

    def do_finish(self, r, fault):
        if self.adders:
            self.finish(r.choice(self.adders))

    def do_kill_add(self, r, fault):
        if self.adders:
            adder = r.choice(self.adders)
            status, said = self.end_add(adder, signal.SIGKILL)
            self.note(f"kill {adder.snapshot.label} -> {status}")
            self.expect_new(adder.snapshot, "failed")

    def do_stop_add(self, r, fault):
        if self.adders:
            adder = r.choice(self.adders)
            status, said = self.end_add(adder, signal.SIGTERM)
            how = self.ended(status, said, f"stop {adder.snapshot.label}")
            wanted(adder.faulty or how == "failed", f"stop: {said}")
            self.expect_new(adder.snapshot, "failed")

    def do_cut_add(self, r, fault):
        """Its input ends early: what there was is kept, as incomplete."""
        if not self.adders:
            return
        adder = r.choice(self.adders)
        snapshot = adder.snapshot
        snapshot.tar = snapshot.tar[:len(snapshot.tar) - len(adder.rest)]
        snapshot.whole = not adder.rest
        status, said = self.end_add(adder)
        if status == 3:
            self.note(f"cut {snapshot.label} -> 3")
            how = "done"
        else:
            how = self.ended(status, said, f"cut {snapshot.label}")
        wanted(how == "done" or adder.faulty or
               (TAKEN_ID in said and not self.wide), f"add: {said}")
        self.expect_new(snapshot, how)

    # Steps: state.

    def do_forget(self, r, fault):
        snapshot = self.pick(r, LISTED)
        if not snapshot:
            return
        how, _ = self.run("forget", "-q", snapshot.label, fault=fault)
        if snapshot.pinned:
            wanted(how != "done", "a pinned snapshot was forgotten")
            self.observe()
        elif how == "done":
            self.observe({snapshot.label: {FORGOTTEN}})
        else:
            wanted(fault, f"forget: {self.last_said}")
            self.observe({snapshot.label: {LISTED, FORGOTTEN}})

    def do_undelete(self, r, fault):
        snapshot = self.pick(r, FORGOTTEN)
        if not snapshot:
            return
        how, _ = self.run("undelete", "-q", snapshot.label, fault=fault)
        wanted(fault or how == "done", f"undelete: {self.last_said}")
        self.observe({snapshot.label: {LISTED} if how == "done" else
                      {LISTED, FORGOTTEN}})

    def mark(self, words, snapshot, pinned, tags, fault):
        how, _ = self.run(*words, fault=fault)
        wanted(fault or how == "done", f"{words[0]}: {self.last_said}")
        if how == "done":
            snapshot.pinned, snapshot.tags = pinned, tags
        self.observe(fields={snapshot.label: [(pinned, tags)]})

    def do_pin(self, r, fault):
        s = self.pick(r, LISTED)
        if s:
            self.mark(("pin", "-q", s.label), s, True, s.tags, fault)

    def do_unpin(self, r, fault):
        pinned = [s for s in self.snapshots.values()
                  if s.state == LISTED and s.pinned]
        if pinned:
            s = r.choice(pinned)
            self.mark(("unpin", "-q", s.label), s, False, s.tags, fault)

    def do_tag(self, r, fault):
        s = self.pick(r, LISTED)
        if s:
            value = str(r.randrange(3))
            self.mark(("tag", "-q", s.label, f"k={value}"), s, s.pinned,
                      {**s.tags, "k": value}, fault)

    # Steps: prune and keeping.

    def after_prune(self, how):
        """What each forgotten snapshot may be by now."""
        states = {}
        for s in self.snapshots.values():
            if s.state != FORGOTTEN:
                continue
            if self.is_needed(s):
                states[s.label] = {FORGOTTEN}
            elif how == "done" and not self.may_be_needed():
                states[s.label] = {GONE}
            else:
                states[s.label] = {FORGOTTEN, GONE}
        return states

    def do_prune(self, r, fault):
        words = ["prune", "--json"]
        unused = r.choice((None, "0", "0", "0", "5%", "unlimited", "10K"))
        if unused is not None:
            words += ["--max-unused", unused]
        if r.random() < 0.2:
            words += ["--max-repack", r.choice(("0", "20K", "100K"))]
        if r.random() < 0.8:
            words.append("--force")
        if r.random() < 0.1:
            words.append("-n")
        how, _ = self.run(*words, fault=fault)
        refused = how == "failed" and OVER_HALF in self.last_said
        wanted(not (refused and "--force" in words), "--force was refused")
        wanted(fault or refused or how == "done",
               f"prune: {self.last_said}")
        self.observe({} if refused or "-n" in words else
                     self.after_prune(how))

    def do_rebuild(self, r, fault):
        if not self.alone():
            there = self.mount or any(p.popen.poll() is None and not p.faulty
                                      for p in self.processes())
            how, _ = self.run("rebuild", "-q")
            wanted(self.status == 5 or (how == "done" and not there),
                   f"rebuild while others are there: {self.status}: "
                   f"{self.last_said}")
        else:
            how, _ = self.run("rebuild", "-q", fault=fault)
            wanted(fault or how == "done", f"rebuild: {self.last_said}")
        self.observe()

    def do_check(self, r, fault):
        words = ["check", "-q"] + ["--read-data"] * r.randrange(2)
        how, out = self.run(*words, fault=fault)
        wanted(self.status != 4, f"check: {out.decode()}")
        wanted(fault or how == "done", f"check: {self.last_said}")
        self.observe()

    def catalog(self):
        return f"{self.store}/catalog.db"

    def drop_catalog_files(self):
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.catalog() + suffix):
                os.unlink(self.catalog() + suffix)

    def do_drop_catalog(self, r, fault):
        if self.alone():
            self.drop_catalog_files()
            self.note("rm catalog.db")
            self.observe()

    def do_save_catalog(self, r, fault):
        wal = self.catalog() + "-wal"
        if not self.alone() or not os.path.exists(self.catalog()) or \
           (os.path.exists(wal) and os.path.getsize(wal)):
            return
        shutil.copy(self.catalog(), f"{self.work}/older.db")
        self.saved = True
        self.note("cp catalog.db older.db")

    def do_old_catalog(self, r, fault):
        if self.alone() and self.saved:
            self.drop_catalog_files()
            shutil.copy(f"{self.work}/older.db", self.catalog())
            self.note("cp older.db catalog.db")
            self.observe()

    # Steps: a second store, and what comes back from it.

    def begin_second(self, r):
        if os.path.exists(self.second):
            return
        # cut otherwise, what comes back has other chunks than if added anew
        like = () if not self.wide and r.random() < 0.5 else \
            ("--like", self.store)
        self.must("init", "-q", *like, self.second)

    def observe_second(self, label, snapshot, may):
        """What may be there, and is, of label; the others as they were."""
        out = self.must("list", "-1", "--store", self.second)
        found = set(out.decode().split())
        wanted(label in found or None in may, f"'{label}' is not there")
        wanted(label not in found or True in may, f"'{label}' is there")
        if label in found:
            self.copies[label] = snapshot
        else:
            self.copies.pop(label, None)
        wanted(found == set(self.copies), f"the second store has "
               f"{sorted(found)}, not {sorted(self.copies)}")

    def do_copy_out(self, r, fault):
        fit = [s for s in self.snapshots.values()
               if s.state == LISTED and s.whole]
        if not fit:
            return
        self.begin_second(r)
        s = r.choice(fit)
        there = s.label in self.copies
        how, _ = self.run("copy", "-q", "--to", self.second, s.label,
                          fault=fault)
        wanted(fault or how == "done", f"copy: {self.last_said}")
        copy = self.copies.get(s.label, Snapshot(s.label, s.tree, s.tar,
                                                 s.source))
        if not there:
            copy.tags = dict(s.tags)
        self.observe_second(s.label, copy, {True} if there or how == "done"
                            else {None} if how == "failed" else {True, None})
        self.observe()

    def do_copy_back(self, r, fault):
        """What is gone for good."""
        gone = [s for s in self.copies.values()
                if s.label not in self.snapshots]
        if not gone:
            return
        copy = r.choice(gone)
        how, _ = self.run("copy", "-q", "--store", self.second, "--to",
                          self.store, copy.label, fault=fault)
        taken = TAKEN_ID in self.last_said and not self.wide
        wanted(fault or how == "done" or taken, f"copy: {self.last_said}")
        back = Snapshot(copy.label, copy.tree, copy.tar, copy.source)
        back.tags = dict(copy.tags)
        self.expect_new(back, how)
        self.observe_second(copy.label, copy, {True})

    def do_thin_other(self, r, fault):
        if not self.copies:
            return
        copy = r.choice(list(self.copies.values()))
        how, _ = self.run("forget", "-q", "--store", self.second, "--prune",
                          "--force", "--max-unused", "0", copy.label,
                          fault=fault)
        wanted(fault or how == "done", f"forget: {self.last_said}")
        self.observe_second(copy.label, copy, {None} if how == "done" else
                            {True, None})

    def compare_second(self):
        if not os.path.exists(self.second):
            return
        mine = self.store
        self.store = self.second
        for copy in self.copies.values():
            self.read_back(copy)
        how, out = self.run("check", "--read-data", "-q")
        wanted(how == "done", f"check of the second: {out.decode()}")
        self.store = mine

    # Steps: readers.

    def do_read(self, r, fault):
        fit = [s for s in self.snapshots.values()
               if s.state == LISTED and s.whole]
        if not fit or len(self.readers) >= 3:
            return
        snapshot = r.choice(fit)
        if r.random() < 0.3:
            self.begin_restore(snapshot)
            return
        words = [self.varve, "cat", "--as", "tar", snapshot.label]
        out, into = os.pipe()
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 4096)
        popen = subprocess.Popen(words, stdout=into,
                                 stdin=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE,
                                 env=self.environment())
        os.close(into)
        popen.stdout = open(out, "rb", buffering=0)
        reader = Reader(popen, self.clock)
        reader.label, reader.snapshot = snapshot.label, snapshot
        self.note(" ".join(words[1:]) + ", hanging")
        self.readers.append(reader)
        select.select([popen.stdout], [], [], WAIT_S)
        reader.got = os.read(popen.stdout.fileno(), 1)

    def begin_restore(self, snapshot):
        """Stopped somewhere after it began to write."""
        into = f"{self.work}/back.{self.number}"
        words = [self.varve, "restore", "-q", "--no-sync", "--workers", "2",
                 snapshot.label, into]
        popen = subprocess.Popen(words, stdout=subprocess.DEVNULL,
                                 stdin=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE,
                                 env=self.environment())
        reader = Reader(popen, self.clock)
        reader.label, reader.snapshot = snapshot.label, snapshot
        reader.into = into
        self.note(" ".join(words[1:]) + ", stopped on its way")
        self.readers.append(reader)
        while popen.poll() is None and not (os.path.isdir(into) and
                                            os.listdir(into)):
            pass
        popen.send_signal(signal.SIGSTOP)
        if popen.returncode is None:
            os.waitid(os.P_PID, popen.pid,
                      os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        # about to end it may have the catalog locked, which nobody outwaits
        if set(world.read(into)) == set(snapshot.tree):
            self.end_read(reader)

    def end_read(self, reader):
        popen = reader.popen
        self.readers.remove(reader)
        popen.send_signal(signal.SIGCONT)
        out, said = popen.communicate(timeout=WAIT_S)
        how = self.ended(popen.returncode, said.decode(errors="replace"),
                         f"read {reader.label} to its end")
        wanted(how == "done", f"reading '{reader.label}' (now "
               f"{reader.snapshot.state}): {said.decode()}")
        if reader.into:
            self.same(world.read(reader.into), reader.snapshot)
            shutil.rmtree(reader.into)
        else:
            self.same(world.unpack(reader.got + out), reader.snapshot)

    def do_read_on(self, r, fault):
        if self.readers:
            self.end_read(r.choice(self.readers))

    def do_kill_reader(self, r, fault):
        if self.readers:
            reader = r.choice(self.readers)
            self.readers.remove(reader)
            reader.popen.kill()
            reader.popen.communicate()
            self.note(f"kill the reader of {reader.label}")

    # Steps: a mount.

    def do_mount(self, r, fault):
        if self.mount or not self.mounts:
            return
        top = self.work + "/mnt"
        os.makedirs(top, exist_ok=True)
        popen = subprocess.Popen([self.varve, "mount", "-q", "-f", top],
                                 stdin=subprocess.DEVNULL,
                                 stderr=open(f"{self.work}/mount.err", "wb"),
                                 env=self.environment())
        self.note("mount")
        self.mount = Mount(popen, self.clock)
        self.mount.handles = []
        self.wait_for("it is mounted", lambda: popen.poll() is not None or
                      os.path.ismount(top))
        wanted(popen.poll() is None, "mount: it ended")

    def do_hold(self, r, fault):
        """A file or a directory of a snapshot, open."""
        fit = [s for s in self.snapshots.values()
               if s.state == LISTED and s.whole]
        if not self.mount or not fit:
            return
        s = r.choice(fit)
        top = f"{self.work}/mnt/{s.label.replace('@', '/')}"
        self.wait_for(f"the mount shows {s.label}",
                      lambda: os.path.isdir(top))
        path = r.choice([""] + sorted(s.tree))
        handle = os.open(f"{top}/{path}", os.O_RDONLY)
        if path and r.random() < 0.5:
            os.pread(handle, 1, 0)
        self.mount.handles.append((s.label, path, (handle, s)))
        self.note(f"open {s.label}/{path} of the mount")

    def look_at(self, held):
        label, path, (handle, s) = held
        self.note(f"read {label}/{path} of the mount (now {s.state})")
        try:
            if path:
                found = {path: os.pread(handle, 1 << 20, 0)}
                tree = {path: s.tree[path]}
            else:
                found, tree = self.walk(handle, ""), s.tree
        except OSError as e:
            raise Fail(f"reading '{label}/{path}' of the mount: {e}") from e
        words = world.compare(found, tree)
        wanted(not words, f"'{label}' in the mount: {words}")

    def walk(self, top, folder):
        found = {}
        handle = os.open(folder or ".", os.O_RDONLY, dir_fd=top)
        try:
            names = os.listdir(handle)
            for name in names:
                path = f"{folder}/{name}" if folder else name
                st = os.stat(name, dir_fd=handle, follow_symlinks=False)
                if st.st_mode & 0o170000 == 0o040000:
                    found.update(self.walk(top, path))
                    continue
                file = os.open(name, os.O_RDONLY, dir_fd=handle)
                try:
                    found[path] = os.pread(file, 1 << 20, 0)
                finally:
                    os.close(file)
        finally:
            os.close(handle)
        return found

    def do_look(self, r, fault):
        if self.mount and self.mount.handles:
            self.look_at(r.choice(self.mount.handles))

    def do_let_go(self, r, fault):
        if self.mount and self.mount.handles:
            held = r.choice(self.mount.handles)
            self.mount.handles.remove(held)
            os.close(held[2][0])
            self.note(f"close {held[0]}/{held[1]}")

    def unmount(self):
        for held in self.mount.handles:
            os.close(held[2][0])
        subprocess.run(["umount", self.work + "/mnt"], check=False,
                       capture_output=True)
        status = self.mount.popen.wait(timeout=WAIT_S)
        self.mount = None
        with open(f"{self.work}/mount.err", errors="replace") as file:
            said = file.read()
        wanted(self.ended(status, said, "unmount") == "done",
               f"mount: {said}")

    def do_unmount(self, r, fault):
        if self.mount:
            for held in self.mount.handles:
                self.look_at(held)
            self.unmount()

    # Steps: all compared.

    def do_contents(self, r, fault):
        listed = [s for s in self.snapshots.values() if s.state == LISTED]
        for s in r.sample(listed, min(len(listed), 4)):
            self.read_back(s)

    def do_quiet(self, r, fault):
        """Everybody ends; a prune that takes all back; nothing is left."""
        self.do_unmount(r, None)
        while self.readers:
            self.end_read(self.readers[0])
        while self.adders:
            self.finish(self.adders[0])
        self.must("prune", "--force", "--max-unused", "0", "-q")
        self.observe(self.after_prune("done"))
        for s in self.snapshots.values():
            self.read_back(s)
        how, out = self.run("check", "--read-data", "-q")
        wanted(how == "done", f"check: {out.decode()}")
        self.compare_second()
        for folder in ("tmp", "open"):
            left = os.listdir(f"{self.store}/{folder}")
            wanted(not left, f"left in {folder}/: {left}")
        plan = json.loads(self.must("prune", "-n", "--json",
                                    "--max-unused", "0"))
        for what in ("unreachable", "unused", "packs_removed", "missing"):
            wanted(plan[what] == 0, f"a prune right after a prune would "
                   f"find {what} {plan[what]}")
        if self.wide:
            self.compare_size()

    def compare_size(self):
        """No more than in a store that never had anything else."""
        fresh = self.work + "/fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        mine = self.store
        self.store = fresh
        self.must("init", "-q", "--like", mine, fresh)
        for s in self.snapshots.values():
            if s.tar is not None:
                self.run("add", "-q", "-s", s.source, "-t",
                         self.time_of(s.label), "-", data=s.tar) \
                    if s.whole else self.add_cut(s)
                continue
            top = f"{self.work}/again"
            shutil.rmtree(top, ignore_errors=True)
            os.mkdir(top)
            world.write(s.tree, top)
            self.must("add", "-q", "-s", s.source, "-t",
                      self.time_of(s.label), top)
        would_hold = self.chunks()
        self.store = mine
        hold = self.chunks()
        wanted(hold == would_hold, f"{hold} chunks in packs, where a fresh "
               f"store of the same snapshots has {would_hold}")
        have, packs = size_of(mine)
        would, _ = size_of(fresh)
        limit = int(would * (1 + SLACK_SHARE)) + SLACK_PACK * max(packs, 1)
        self.note(f"size {have} in {packs} packs, fresh {would} "
                  f"[VARVE_PACK={self.pack_bytes}]")
        wanted(have <= limit, f"{have} bytes in packs, where a fresh store "
               f"of the same snapshots takes {would}")

    def chunks(self):
        """In all packs, each copy counted."""
        out = self.must("sql", "--json", "SELECT coalesce(sum(objects), 0)"
                        " AS n FROM v_pack WHERE type = 'data'")
        return int(json.loads(out)["n"])

    def add_cut(self, s):
        subprocess.run([self.varve, "add", "-q", "-s", s.source, "-t",
                        self.time_of(s.label), "-"], input=s.tar,
                       env=self.environment(), capture_output=True,
                       check=False)

    # All of it.

    def steps(self, count):
        r = random.Random(f"{self.seed} steps")
        weights = CROWDED if r.random() < 0.5 else WEIGHTS
        drawn = r.choices(list(weights), list(weights.values()), k=count)
        # one in a few histories has a mount, a calm one, faults
        if r.random() < 0.85:
            self.mounts = False
        if r.random() < 0.3:
            self.faults = False
        return ["add", "add"] + drawn + ["quiet"]

    def step(self, number, kind):
        r = random.Random(f"{self.seed} {number}")
        fault = None
        self.number = number
        self.clock += 1
        if kind in FAULTY and self.faults and r.random() < 0.3:
            at = int(2 ** r.uniform(0, 6))
            fault = r.choice((f"kill={at}", f"kill={at}", f"fail={at}:EIO",
                              f"fail={at}:ENOSPC"))
        getattr(self, "do_" + kind)(r, fault)

    def play(self, count=STEPS, only=None):
        """None, or in words what failed."""
        os.makedirs(self.work)
        os.makedirs(self.work + "/in")
        try:
            self.must("init", "-q", self.store)
            for number, kind in enumerate(self.steps(count)):
                if only is None or number in only:
                    self.step(number, kind)
        except Fail as e:
            return str(e)
        except subprocess.TimeoutExpired as e:
            return f"does not end: {e}"
        finally:
            self.end_all()
        return None

    def end_all(self):
        for process in self.processes():
            process.popen.kill()
            process.popen.communicate()
        self.adders, self.readers = [], []
        if self.mount:
            for held in self.mount.handles:
                os.close(held[2][0])
            subprocess.run(["umount", "-l", self.work + "/mnt"],
                           check=False, capture_output=True)
            self.mount.popen.kill()
            self.mount.popen.wait()
            self.mount = None


def size_of(store):
    """Bytes in packs, and how many they are."""
    total = count = 0
    for folder, _, files in os.walk(store + "/packs"):
        for name in files:
            total += os.path.getsize(os.path.join(folder, name))
            count += 1
    return total, count
