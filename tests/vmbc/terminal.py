#!/usr/bin/python3
"""terminal.py ANSWERS COMMAND...: run it on a terminal, where each question that
ends in "[y/N]" gets the next letter of ANSWERS.  Ends as COMMAND does."""
import os
import pty
import sys

pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
said, answers = b"", list(sys.argv[1])
while True:
    try:
        piece = os.read(fd, 4096)
    except OSError:
        break
    if not piece:
        break
    said += piece
    if said.endswith(b"[y/N] ") and answers:
        os.write(fd, answers.pop(0).encode() + b"\n")
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
