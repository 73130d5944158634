"""A consumer is killed inside get.

Others go on getting.

gh-87971
"""

import queue

from case import PATIENCE, context, kill, start, tell, wait_until_asleep


def consume(tasks, said):
    said.send("here")
    tasks.get()


def main():
    tasks = context.Queue()
    ours, theirs = context.Pipe()
    consumer = start(consume, tasks, theirs)
    ours.recv()
    wait_until_asleep(consumer.pid)
    kill(consumer)
    tasks.put("task")
    try:
        tell(tasks.get(timeout=PATIENCE) == "task", "the next get has the item")
    except queue.Empty:
        tell(False, "the queue is dead: every later get times out")


if __name__ == "__main__":
    main()
