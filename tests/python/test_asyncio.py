"""kith in an event loop: queues that are awaited, and executors and pools whose results are."""

import asyncio
import concurrent.futures
import unittest

import kith

LIMIT = 60  # seconds


def square(x):
    return x * x


def answer(questions, answers):
    for question in iter(questions.get, None):
        answers.put(question * question)


def fail():
    raise KeyError("why")


class Asyncio(unittest.TestCase):
    method = "fork"

    def setUp(self):
        self.context = kith.get_context(self.method)

    def run_loop(self, coroutine):
        return asyncio.run(asyncio.wait_for(coroutine, LIMIT))

    def test_queue(self):
        questions, answers = self.context.Queue(), self.context.Queue()
        process = self.context.Process(target=answer, args=(questions, answers))
        process.start()
        self.addCleanup(process.join)

        async def ask():
            ticks = 0

            async def tick():
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0)
            ticking = asyncio.ensure_future(tick())
            found = []
            for x in range(20):
                await questions.aput(x)
                found.append(await answers.aget())
            ticking.cancel()
            await questions.aput(None)
            return found, ticks
        found, ticks = self.run_loop(ask())
        self.assertEqual(found, [x * x for x in range(20)])
        self.assertGreater(ticks, 0)

    def test_what_waits_for_room_is_pickled_once_more_at_most(self):
        class Counted:
            pickled = 0

            def __reduce__(self):
                Counted.pickled += 1
                return int, (7,)

        async def put():
            queue = self.context.Queue(1)
            queue.put(1)
            putting = asyncio.ensure_future(queue.aput(Counted()))
            await asyncio.sleep(0.05)
            self.assertFalse(putting.done())
            first = await queue.aget()
            await putting
            return first, await queue.aget()
        self.assertEqual(self.run_loop(put()), (1, 7))
        self.assertLessEqual(Counted.pickled, 2)

    def test_executor(self):
        async def ask():
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=self.context) as executor:
                loop = asyncio.get_running_loop()
                return await asyncio.gather(*(loop.run_in_executor(executor, square, x) for x in range(10)))
        self.assertEqual(self.run_loop(ask()), [x * x for x in range(10)])

    def test_pool(self):
        def awaited(pool, function, *arguments):
            """A future of a task of the pool."""
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            pool.apply_async(function, arguments,
                             callback=lambda value: loop.call_soon_threadsafe(future.set_result, value),
                             error_callback=lambda error: loop.call_soon_threadsafe(future.set_exception, error))
            return future

        async def ask():
            with self.context.Pool(2) as pool:
                squares = await asyncio.gather(*(awaited(pool, square, x) for x in range(10)))
                with self.assertRaises(KeyError):
                    await awaited(pool, fail)
            return squares
        self.assertEqual(self.run_loop(ask()), [x * x for x in range(10)])


class AsyncioSpawn(Asyncio):
    method = "spawn"


if __name__ == "__main__":
    unittest.main()
