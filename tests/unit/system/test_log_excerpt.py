"""The lines of a log that say why something failed: on the real logs of servers, and on texts of other languages."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from nox_pex.system.log_excerpt import GAP, MOST, excerpt

LOGS = Path(__file__).with_name("logs")
NOT_JSON = "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
REFUSED = "connection to ('127.0.0.1', 18779) failed: [Errno 98] Address already in use"
IN_USE = f"[2026-01-02 03:04:10 +0000] [16095] [ERROR] {REFUSED}"


def log(name: str) -> list[str]:
    return (LOGS / f"{name}.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        (
            "gunicorn-env",  # two workers, each with a traceback, and the end of the master
            (
                '  File "/app/bad_env.py", line 2, in <module>',
                '    DB = os.environ["DATABASE_URL"]',
                GAP,
                "KeyError: 'DATABASE_URL'",
            ),
        ),
        (
            "gunicorn-chained",  # the root, and what came of it
            (
                '  File "/app/chained.py", line 4, in read',
                "    return json.loads(text)",
                GAP,
                NOT_JSON,
                GAP,
                "RuntimeError: the settings cannot be read",
            ),
        ),
        (
            "gunicorn-syntax",
            ('  File "/app/syn.py", line 1', "    def f(:", GAP, "SyntaxError: invalid syntax"),
        ),
        (
            "gunicorn-inuse",  # said once, although it was tried five times
            (IN_USE,),
        ),
        (
            "django",
            (
                '  File "/app/dj.py", line 4, in <module>',
                "    application = get_wsgi_application()",
                GAP,
                "ModuleNotFoundError: No module named 'shop'",
            ),
        ),
        (
            "uvicorn-lifespan",
            (
                '  File "/app/lifespan.py", line 6, in life',
                '    socket.create_connection(("127.0.0.1", 5))',
                GAP,
                "ConnectionRefusedError: [Errno 111] Connection refused",
            ),
        ),
        ("flask500", ('  File "/app/flask500.py", line 5, in root', '    return {}["x"]', GAP, "KeyError: 'x'")),
        (
            "group",
            (
                '    |   File "/app/group.py", line 2, in one',
                '    |     async def one(): raise ValueError("no route to the broker")',
                GAP,
                "    | ValueError: no route to the broker",
            ),
        ),
        ("node", ("Error: Cannot find module 'colourful'",)),
    ],
)
def test_the_cause_is_found_in_the_log_of_a_real_server(name: str, cause: tuple[str, ...]) -> None:
    assert excerpt(log(name)) == cause


IN_PEX = [
    "Traceback (most recent call last):",
    '  File "/tmp/x/venvs/4/1/2/lib/python3.12/site-packages/shop/__init__.py", line 3, in <module>',
    "    start()",
    '  File "/tmp/x/venvs/4/1/2/lib/python3.12/site-packages/kombu/connection.py", line 40, in start',
    "    raise NoBrokerError(url)",
    '  File "/usr/lib/python3.12/os.py", line 1, in inner',
    "    pass",
    "kombu.NoBrokerError: amqp://",
]


def test_the_users_own_frame_is_known_by_its_name_in_a_pex() -> None:
    assert excerpt(IN_PEX, own=frozenset({"shop"})) == (
        '  File "…/site-packages/shop/__init__.py", line 3, in <module>',
        "    start()",
        GAP,
        "kombu.NoBrokerError: amqp://",
    )
    assert excerpt(IN_PEX)[0] == '  File "…/site-packages/kombu/connection.py", line 40, in start'


def test_a_traceback_of_the_shutdown_is_not_the_cause() -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "/app/a.py", line 1, in <module>',
        "    x = 1 / 0",
        "ZeroDivisionError: division by zero",
        "[INFO] Shutting down",
        "Traceback (most recent call last):",
        '  File "/app/b.py", line 9, in run',
        "    await queue.get()",
        "asyncio.exceptions.CancelledError",
    ]
    assert excerpt(lines)[-1] == "ZeroDivisionError: division by zero"
    assert excerpt(lines[5:])[-1] == "asyncio.exceptions.CancelledError"


def test_a_message_of_several_lines_is_whole_up_to_the_next_record() -> None:
    lines = [
        "ERROR:    Traceback (most recent call last):",
        '  File "/app/main.py", line 5, in <module>',
        "    Settings()",
        "ValidationError: 1 validation error for Settings",
        "database_url",
        "  Field required",
        "ERROR:    Application startup failed. Exiting.",
    ]
    assert excerpt(lines) == tuple(lines[1:6])


def test_a_prefix_of_each_line_is_no_part_of_the_traceback() -> None:
    lines = [
        "web.1 | Traceback (most recent call last):",
        'web.1 |   File "/app/main.py", line 5, in <module>',
        "web.1 |     1 / 0",
        "web.1 |     ~~^~~",
        "web.1 | ZeroDivisionError: division by zero",
        "web.1 | INFO: bye",
    ]
    assert excerpt(lines) == (lines[1], lines[2], GAP, lines[4])


def test_colours_do_not_hide_the_cause_and_stay() -> None:
    lines = ["\x1b[32mINFO\x1b[0m: up", "\x1b[31mCRITICAL\x1b[0m no database", "\x1b[32mINFO\x1b[0m: bye"]
    assert excerpt(lines) == (lines[1],)


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (
            (
                "INFO ready",
                'Exception in thread "main" java.lang.IllegalStateException: no database',
                "\tat java.base/java.lang.Thread.run(Thread.java:840)",
                "\tat com.example.Main.main(Main.java:9)",
                "Caused by: java.net.ConnectException: Connection refused",
                "\t... 12 more",
            ),
            (1, 3, 4),
        ),
        (
            ("panic: no route", "", "goroutine 1 [running]:", "main.main()", "\t/app/main.go:5 +0x1d"),
            (0,),
        ),
        (
            ("thread 'main' panicked at src/main.rs:2:5:", "no route", "note: run with `RUST_BACKTRACE=1`"),
            (0, 1),
        ),
        (("/app/x.js:1", "TypeError: x is not a function", "    at Object.<anonymous> (/app/x.js:1:1)"), (1, 2)),
        (('{"level":"info","message":"up"}', '{"level":"fatal","message":"no database"}', "bye"), (1,)),
        (("starting", "fatal: the variable TOKEN is not set", "stopping"), (1,)),
        (("starting", "Could not open the file x", "at all", "bye"), (1,)),
        (("usage: tool [-h]", "tool: error: unrecognized arguments: --x"), (0, 1)),
        (("one", "STEP 7: RUN make", "no corn", "Error: building at STEP 7: exit status 3"), (0, 1, 2, 3)),
        (("one", "Killed", "dmesg: Out of memory: Killed process 7"), (2,)),
        (("[ERROR] Worker failed to boot.", "one", "two"), (0, 1, 2)),  # it does not say why
        (('INFO: "GET /error HTTP/1.1" 500', "one"), (0, 1)),
    ],
)
def test_other_languages_and_plain_messages(lines: tuple[str, ...], cause: tuple[int, ...]) -> None:
    assert [line for line in excerpt(lines) if line != GAP] == [lines[number] for number in cause]


def test_a_healthy_log_gives_its_last_lines() -> None:
    lines = [f"line {number}" for number in range(20)]
    assert excerpt(lines) == tuple(lines[-4:])
    assert excerpt([]) == ()


def test_a_long_line_keeps_both_ends() -> None:
    (line,) = excerpt([f"error: begin{'x' * 5000}end"])
    assert line.startswith("error: begin")
    assert line.endswith("end")
    assert len(line) <= 240


def test_nothing_is_invented_and_the_order_stays() -> None:
    rng = random.Random(7)  # noqa: S311  # no secret
    every = [line for file in sorted(LOGS.iterdir()) for line in log(file.stem)] + [
        "Traceback (most recent call last):"
    ]
    for _ in range(300):
        lines = rng.choices(every, k=rng.randint(0, 40))
        found = excerpt(lines)
        kept = [line for line in found if line != GAP]
        assert len(kept) <= MOST
        rest = iter(lines)
        for line in kept:
            whole = line.partition(GAP)
            assert any(each == line or (each.startswith(whole[0]) and each.endswith(whole[2])) for each in rest)


@pytest.mark.parametrize(
    "line",
    [
        *(text * 250 for text in ("a: ", "  ", "Error ", "[[[", '"', 'File "', "^", ".", "/", "at ", "1-")),
        "Traceback (most recent call last):" * 15,
    ],
)
def test_hostile_lines_take_no_time(line: str) -> None:
    started = time.monotonic()
    excerpt([line[:500]] * 200)  # more than what is read of a log
    assert time.monotonic() - started < 2
