"""Pages as `report` gathers them, with the sizes of real distributions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from nox_pex.contents import compare
from nox_pex.contents.model import BinaryContents, BootFacts, BuildFacts, Group, PackedFile
from nox_pex.page.model import (
    Answer,
    Boot,
    Check,
    Command,
    Distribution,
    Evidence,
    Failure,
    Gate,
    Hash,
    Identity,
    Index,
    LeftOut,
    Licence,
    Making,
    Page,
    Phase,
    Proof,
    Row,
    SignedKind,
    Verdict,
)

SIZES: Final = """
    aiohappyeyeballs 2.7.1 13.8 40 11; aiohttp 3.14.5 1920 7094 74; aiosignal 1.4.0 6.7 17 8;
    alembic 1.20.1 258 1097 105; amqp 5.4.2 49.9 195 20; annotated-doc 0.0.7 4.3 10 9; annotated-types 0.8.0 12.6 37 8;
    anyio 4.16.0 128 553 54; argon2-cffi 25.1.0 13.2 35 14; argon2-cffi-bindings 26.2.0 25.4 66 7;
    asyncpg 0.32.0 3248 11696 90; attrs 26.1.0 63.7 234 36; beautifulsoup4 4.15.0 108 407 22;
    billiard 4.3.2 86.7 312 34; boto3 1.44.5 132 991 63; botocore 1.44.5 16174 21112 2040; celery 5.7.0 499 1735 170;
    certifi 2026.10.18 133 243 13; cffi 2.1.1 214 720 33; click 8.5.1 124 450 23; click-didyoumean 0.3.1 3.0 8 6;
    click-plugins 1.1.1.2 9.7 22 11; click-repl 0.4.1 13.3 40 15; cryptography 48.0.1 4723 14400 118;
    dnspython 2.9.2 339 1189 167; email-validator 2.4.0 35.0 106 18; et-xmlfile 2.0.0 16.8 59 11;
    fastapi 0.165.0 151 945 71; frozenlist 1.8.0 229 788 11; greenlet 3.5.6 609 2082 100; h11 0.16.0 35.7 104 18;
    httptools 0.9.0 495 1650 23; idna 3.20 68.2 343 18; jinja2 3.1.6 131 497 32; jmespath 1.1.0 18.8 70 15;
    kombu 5.7.0 256 925 88; lxml 6.1.3 5186 11538 175; mako 1.4.3 76.3 281 41; markdown 3.11.3 112 367 41;
    markdown-it-py 4.3.0 86.9 259 76; markupsafe 3.0.4 21.2 67 12; mdurl 0.1.2 8.8 24 12; multidict 7.2.1 508 1750 16;
    openpyxl 3.1.5 225 864 196; opentelemetry-api 1.45.2 53.5 197 48; orjson 3.13.0 127 337 12;
    pillow 12.3.0 6917 19640 141; prometheus-client 0.26.0 59.2 214 38; prompt-toolkit 3.0.53 370 1398 153;
    propcache 0.5.4 233 815 14; pycparser 3.12 61.1 262 14; pydantic 2.14.3 480 1987 113;
    pydantic-core 2.50.4 2186 5380 12; pydantic-settings 2.16.3 78.7 309 28; pygments 2.21.0 1206 4622 351;
    pyjwt 2.15.1 31.8 122 20; python-dateutil 2.9.0.post0 227 442 26; python-dotenv 1.2.4 21.8 67 17;
    python-multipart 0.0.34 30.9 114 14; pyyaml 6.0.3 804 2875 25; redis 7.4.1 395 1825 118; rich 15.0.0 299 1246 106;
    s3transfer 0.19.3 87.6 342 23; sentry-sdk 2.75.0 524 2190 211; shellingham 1.5.4 8.2 19 14; six 1.17.0 10.4 38 7;
    soupsieve 2.10 36.7 148 13; sqlalchemy 2.0.58 3399 13564 277; starlette 1.10.0 75.4 276 42;
    structlog 26.1.0 70.4 243 29; typer 0.29.2 116 472 45; typing-extensions 4.16.0 45.0 183 6;
    typing-inspection 0.4.5 13.7 55 10; tzlocal 5.4.5 17.0 63 12; urllib3 2.8.0 130 451 43; uvicorn 0.54.0 81.0 295 53;
    uvloop 0.23.0 3948 14044 64; vine 5.1.0 8.5 23 12; watchfiles 1.3.0 448 1250 18; wcwidth 0.9.4 778 3613 57;
    websockets 17.4 218 837 64; yarl 1.25.1 115 365 18
"""
"""Distributions of a real service: name, version, kB in the binary, kB unpacked, number of files."""

DIRECT: Final = ("boto3", "celery", "fastapi", "lxml", "pillow", "redis", "rich", "sqlalchemy", "uvicorn")
HELLO: Final = ("annotated-types", "anyio", "click", "fastapi", "h11", "idna", "pydantic", "pydantic-core")
HELLO_TOO: Final = ("starlette", "typing-extensions", "typing-inspection", "uvicorn")
SHA256: Final = "555f5926fc28aa10" * 4
TIME: Final = "2026-11-26T16:40:07Z"


def group(name: str, version: str, stored: int, size: int, count: int) -> Group:
    """A distribution with `count` files: a big one, packages with modules, and its metadata."""
    package = name.replace("-", "_")
    others = max(1, count - 1)
    paths = [f"{package}/_core.cpython-311-x86_64-linux-gnu.so"]
    for number in range(count - 1):
        inside = ("", "api/", "data/", "data/models/", "tests/")[number % 5]
        paths.append(
            f"{package}/{inside}module_{number}.py" if number % 9 else f"{package}-{version}.dist-info/{number}"
        )
    shares = [0.5, *(0.5 / others for _ in range(count - 1))] if count > 1 else [1.0]
    files = tuple(
        PackedFile(path=path, size=int(size * share), stored=int(stored * share), crc=len(path))
        for path, share in zip(paths, shares, strict=True)
    )
    return Group(kind="distribution", name=name, version=version, stored=stored, files=files)


def groups(*names: str) -> tuple[Group, ...]:
    """The real distributions with these names; without names all of them."""
    found = []
    for entry in SIZES.split(";"):
        name, version, stored, size, count = entry.split()
        if not names or name in names:
            found.append(group(name, version, round(float(stored) * 1000), round(float(size) * 1000), int(count)))
    return tuple(found)


def contents(distributions: tuple[Group, ...], *, own: int = 2120, boot: float | None = None) -> BinaryContents:
    """The content of a binary with these distributions, and `own` bytes of the project."""
    modules = tuple(PackedFile(path=path, size=own, stored=own // 2, crc=own) for path in ("main.py", "shop/store.py"))
    bootstrap = tuple(PackedFile(path=f".bootstrap/pex/module_{at}.py", size=14_500, stored=3900) for at in range(277))
    stored = sum(each.stored for each in distributions) + own + 1_095_203
    return BinaryContents(
        file="service.pex",
        sha256=SHA256 if own == 2120 else "0b" * 32,
        size=stored + 300 * sum(len(each.files) for each in distributions),
        layout="zipapp",
        pex_version="2.75.0",
        entry_point="uvicorn",
        constraints=("==3.11.*",),
        distributions=distributions,
        own=Group(kind="own", stored=own, files=modules),
        runtime=Group(kind="runtime", stored=1_095_203, files=bootstrap),
        build=BuildFacts(version="1.4.0", commit="30fa962" + "0" * 33, finished=TIME),
        boots=(BootFacts(condition="warm", state="passed", ready_after=boot),) if boot is not None else (),
    )


def phases(**seconds: float) -> tuple[Phase, ...]:
    """Phases one after the other."""
    found, start = [], 0.0
    for name, took in seconds.items():
        found.append(Phase(name=name, start=start, seconds=took))
        start += took
    return tuple(found)


def check(request: str, status: int, body: str, *, wrong: str = "") -> Check:
    """A check of a server with its answer; `wrong` is the part that is not as expected."""
    answer = Answer(status=status, seconds=0.012, size=len(body), content_type="application/json", body=body)
    return Check(
        name=request,
        passed=not wrong,
        expected="$.items[0].id = 7" if wrong else "status 200",
        got=wrong or str(status),
        seconds=0.012,
        request=request,
        answer=answer,
    )


ANSWERS: Final = (
    check("GET /healthz", 200, '{"status": "ok"}'),
    check("GET /", 200, '{"message": "Hello World"}'),
)


COLD: Final = Boot(
    condition="cold",
    state="passed",
    ready_after=2.21,
    check_count=2,
    checks=ANSWERS,
    phases=phases(launch=0.21, unpack=0.64, venv=0.31, imports=0.95, ready=0.1, checks=0.12, soak=0.5, stop=0.21),
    stop="SIGTERM",
    stop_seconds=0.21,
    memory=60_100_000,
)


WARM: Final = Boot(
    condition="warm",
    state="passed",
    ready_after=0.42,
    check_count=2,
    checks=ANSWERS,
    phases=phases(launch=0.09, imports=0.29, ready=0.04, checks=0.1, soak=0.5, stop=0.2),
    stop="SIGTERM",
    stop_seconds=0.2,
    memory=49_300_000,
)


OFFLINE: Final = Boot(condition="offline", state="skipped", reason="the kernel refuses user namespaces (EPERM)")


BROKEN: Final = Boot(
    condition="warm",
    state="failed",
    reason="GET /items: $.items[0].id is 8, not 7",
    ready_after=0.44,
    check_count=2,
    checks=(ANSWERS[0], check("GET /items", 200, '{"items": [{"id": 8}]}', wrong="$.items[0].id = 8")),
    phases=phases(launch=0.09, imports=0.31, ready=0.04, checks=0.31),
    memory=49_300_000,
)


def command(text: str, purpose: str = "") -> Command:
    """A command to run in the project."""
    return Command(text=text, where="the project", purpose=purpose)


def proofs(**outcomes: Any) -> tuple[Proof, ...]:
    """The result of each step, which passed if there is no other outcome."""
    steps = ("smoke", "verify", "sbom", "attest", "image", "push")
    return tuple(
        Proof(
            step=step,
            standing="not-run" if outcomes.get(step) == "not-run" else "current",
            outcome=outcomes.get(step, "passed"),
            summary="no result" if outcomes.get(step) == "not-run" else f"what {step} found",
            finished="" if outcomes.get(step) == "not-run" else TIME,
            file=f"service.{step}.json",
            command=command(f"nox -s {step}"),
        )
        for step in steps
    )


def distributions(found: tuple[Group, ...]) -> Iterator[Distribution]:
    """What is known of the distributions."""
    for number, each in enumerate(found):
        is_direct = each.name in DIRECT
        yield Distribution(
            name=each.name,
            version=each.version,
            summary=f"The library {each.name}",
            licences=(Licence(text=("MIT", "BSD-3-Clause", "Apache-2.0")[number % 3], is_spdx=True),),
            locked=(Hash(file=f"{each.name}-{each.version}.whl", hash="sha256:" + f"{number:02x}" * 32),),
            is_direct=is_direct,
            path=(each.name,) if is_direct else (DIRECT[number % len(DIRECT)], each.name),
            stored=each.stored,
            size=each.size,
        )


GATES: Final = (
    Gate(name="closure", state="passed", summary="exactly what Poetry would install", seconds=1.21),
    Gate(name="integrity", state="passed", summary="every file matches its RECORD", seconds=2.4),
    Gate(name="leaks", state="passed", summary="no secret and no build path", seconds=0.9, notes=("one path allowed",)),
    Gate(name="reproducible", state="passed", summary="built again: the same bytes", seconds=8.7),
    Gate(name="budget", state="skipped", summary="no budget is set"),
)


def page(found: tuple[Group, ...], *, boots: tuple[Boot, ...], **values: Any) -> Page:
    """A page about a binary with these distributions, of which everything passed."""
    content = contents(found, boot=0.42)
    facts: dict[str, Any] = {
        "nox_pex": "0.19.0",
        "identity": Identity(
            name="service",
            project="shop",
            file="service.pex",
            sha256=SHA256,
            size=content.size,
            is_directory=False,
            is_scie=False,
            is_recorded=True,
            version="1.4.0",
            commit="30fa962" + "0" * 33,
            dirty=False,
            started="2026-11-26T16:40:00Z",
            finished=TIME,
            python="CPython 3.11",
            platforms=("linux-x86_64",),
            tools=(("pex", "2.75.0"), ("poetry", "2.2.1")),
            checksum=command("sha256sum -c dist/service.pex.sha256", "Compare"),
        ),
        "verdict": Verdict(outcome="passed", reason="smoke, verify, sbom, attest, image and push passed"),
        "proofs": proofs(),
        "contents": content,
        "boots": boots,
        "gates": GATES,
        "distributions": tuple(distributions(found)),
        "graph_is_complete": True,
        "left_out": (LeftOut(path="notes/todo.txt", reason="not in a package", include="notes/todo.txt"),),
        "statements": tuple(
            SignedKind(kind=kind, is_stated=True, keyids=("3f" * 32,)) for kind in ("provenance", "smoke")
        ),
        "evidence": (
            Evidence(
                title="Bill of materials",
                standing="current",
                file="service.cdx.json",
                facts=(("Format", "CycloneDX 1.6"), ("Components", str(len(found)))),
                commands=(command("jq .components dist/service.cdx.json", "Read it"),),
            ),
        ),
        "difference": compare.compare(
            contents(found[1:], own=1900, boot=0.4), content, baseline="previous-build", project="shop"
        ),
        "making": Making(
            seconds=(("install", 4.2), ("pack", 1.9)),
            inputs=(("lock", "9a" * 32), ("sources", "1c" * 32)),
            lock="9a" * 32,
            sources=(("main.py", 812), ("shop/store.py", 2204)),
            commands=(command("nox -s pex -- --force", "Build it again"),),
        ),
    }
    return Page(**{**facts, **values})


def hello() -> Page:
    """A small service, of which everything passed."""
    return page(groups(*HELLO, *HELLO_TOO), boots=(COLD, WARM))


def broken() -> Page:
    """A small service that gives a wrong answer under its second condition, and of which nothing else was run."""
    failure = Failure(
        step="smoke",
        code="check-failed",
        subject="service, warm: GET /items",
        problem="$.items[0].id is 8, not 7",
        remedy="correct the program, or what the check expects",
        rows=(("expected", "$.items[0].id = 7"), ("got", '$.items[0].id = 8: {"items": [{"id": 8}]}')),
        by_hand="dist/service.pex main:app --port 8000",
        log=("sqlalchemy: migrated to 3f2a1", 'INFO: "GET /items HTTP/1.1" 200 OK'),
        log_count=214,
        log_file="service.smoke.log",
    )
    missing: dict[str, Any] = dict.fromkeys(("verify", "sbom", "attest", "image", "push"), "not-run")
    return page(
        groups(*HELLO, *HELLO_TOO),
        boots=(COLD, BROKEN, OFFLINE),
        verdict=Verdict(outcome="failed", reason="smoke failed: warm: GET /items: $.items[0].id is 8, not 7"),
        failures=(failure,),
        proofs=proofs(smoke="failed", **missing),
        gates=(),
        statements=(),
        evidence=(),
    )


def many() -> Page:
    """A service with 82 distributions, whose image was started too."""
    return page(groups(), boots=(COLD, WARM, OFFLINE), image_boots=(replace(COLD, condition="container"),))


def twelve() -> Index:
    """An index of twelve binaries of a monorepo, of which two failed."""
    names = (
        "api",
        "worker",
        "cron",
        "mailer",
        "search",
        "billing",
        "admin",
        "export",
        "import",
        "audit",
        "chat",
        "docs",
    )
    rows = []
    for number, name in enumerate(names):
        failed, missing = number in {1, 4}, number == 7  # one that was not run
        rows.append(
            Row(
                name=name,
                project=f"services/{name}",
                outcome="failed" if failed else "not-run" if missing else "passed",
                reason="check-failed: GET /items: $.items[0].id is 8, not 7" if failed else "smoke and verify passed",
                size=None if missing else 9_000_000 + 1_700_000 * number,
                growth=None if missing else (12_000, 0, -3_400)[number % 3],
                condition="" if missing else "warm",
                boot=None if missing else 0.3 + number / 10,
                distributions=None if missing else 20 + number,
                version="1.4.0",
                href="" if missing else f"services/{name}/dist/{name}.html",
            )
        )
    return Index(nox_pex="0.19.0", title="shop", rows=tuple(rows))
