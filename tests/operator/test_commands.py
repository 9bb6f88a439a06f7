"""The commands that follow what happens, compare, and collect, as an operator runs them."""

from __future__ import annotations

import json
import re
import selectors
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pilothouse.encoding.types import ResourceType

from .plane import CART, PROGRAM, service, synced

CLUSTER, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS


async def test_a_proxy_that_lacks_a_version_differs_and_one_that_has_it_does_not(
    plane, client, eventually
) -> None:
    stream = await synced(client, "web-7")
    await eventually(lambda: plane.get("proxies/web-7/diff")["in_sync"])
    assert plane.run("diff", "web-7") == "web-7 has what it should have: EDS SYNCED\n"
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await stream.read()  # and does not answer
    unanswered = plane.get("proxies/web-7/diff")
    assert (unanswered["in_sync"], unanswered["types"][0]["state"]) == (False, "SENDING")
    plane.write("cart.json", service("cart", "10.1.7.8", "10.1.7.7"))
    [row] = await eventually(
        lambda: [each for each in plane.get("proxies/web-7/diff")["items"] if each["state"] == "older"]
    )
    assert (row["type"], row["name"], row["services"]) == ("EDS", CART, ["shop/cart"])
    assert row["wanted"] != row["held"]
    assert not {"wanted_content", "held_content"} & row.keys()
    [shown] = plane.get("proxies/web-7/diff", resource=CART, content="yes")["items"]
    addresses = lambda content: set(re.findall(r"10[.]1[.]7[.][0-9]", json.dumps(content)))  # noqa: E731
    assert addresses(shown["held_content"]) == {"10.1.7.8"}
    assert addresses(shown["wanted_content"]) == {"10.1.7.8", "10.1.7.7"}
    assert plane.get("proxies/web-7/diff", resource="other")["items"] == []
    said = plane.run("diff", "web-7", status=1)
    assert "web-7 does not have what it should have: EDS SENDING" in said
    assert said.splitlines()[-1].split()[:3] == ["older", "EDS", CART]
    assert "there is no proxy web-8" in plane.run("diff", "web-8", status=2)


async def test_what_a_proxy_rejects_or_does_not_answer_differs_until_it_is_accepted(
    plane, client, eventually
) -> None:
    stream = await client("web-7")
    await stream.ask(ENDPOINTS, CART)
    first = await stream.read()
    differing = lambda: [each["state"] for each in plane.get("proxies/web-7/diff")["items"]]  # noqa: E731
    assert differing() == ["unanswered"]
    await stream.accept(first, error="no such thing")
    await eventually(lambda: differing() == ["rejected"])
    said = plane.run("diff", "web-7", status=1)
    assert said.startswith("web-7 does not have what it should have: EDS NACKED\n")
    assert said.splitlines()[-1].split()[:3] == ["rejected", "EDS", CART]
    plane.write("cart.json", service("cart", "10.1.7.7"))
    await stream.names()
    await eventually(lambda: differing() == [])


async def test_of_a_proxy_that_has_gone_it_is_said_when_and_why(plane, client, eventually) -> None:
    stream = await synced(client, "web-7")
    stream.call.cancel()
    await eventually(lambda: plane.get("proxies/web-7")["state"] == "GONE")
    for command in ("resources", "diff"):
        said = plane.run(command, "web-7", status=2)
        assert re.search("proxy web-7 has gone [0-9]+ s ago: the client ended it or is gone", said)
        assert "near" not in said


def test_an_address_that_is_no_envoy_s_is_a_mistake_in_one_line(plane) -> None:
    for url, why in (
        ("ftp://127.0.0.1:1", "must be a URL"),
        ("http://[::1", "must be a URL"),
        ("127.0.0.1:99999", "must be a URL"),
        (f"http://{plane.admin}", "its answer is no dump of an Envoy"),
        ("127.0.0.1:1", "connection refused"),
    ):
        said = plane.run("diff", "web-7", "--envoy", url, status=2)
        assert said.startswith("pilothouse: --envoy: ")
        assert why in said
        assert said.count("\n") == 1


async def test_a_change_is_traced_from_its_source_to_the_last_answer(plane, client, eventually) -> None:
    stream = await synced(client, "web-7")
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await stream.names()
    newest = lambda: plane.get("changes")["items"][0]  # noqa: E731
    await eventually(lambda: newest().get("published", {}).get("acknowledged"))
    said = plane.run("trace", str(newest()["number"])).splitlines()
    assert said[0] == f"change {newest()['number']} touches 1 service"
    assert "source files reports it, declared at " in said[1]
    assert said[2].strip() == "shop/cart: 2 endpoints -> 1 endpoint; 10.1.7.9 removed"
    assert said[3].strip() == "endpoints removed: 10.1.7.9"
    assert "published to 1 proxy, +" in said[4]
    assert said[5].endswith(" s  web-7 EDS")
    assert said[6].strip() == "1 of 1 proxy acknowledged it"
    assert "last answer, of web-7, +" in said[7]
    assert "there is no change 99999" in plane.run("trace", "99999", status=2)


def test_the_first_load_was_published_and_nothing_is_said_of_what_was_before(plane) -> None:
    said = plane.run("trace", "1").splitlines()
    assert said[2].strip().startswith("shop/cart: first load: 1 service (")
    assert "published to 0 proxies" in said[3]
    assert not any("not published yet" in line for line in said)


@contextmanager
def watching(plane, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [PROGRAM, "watch", *arguments, "--admin", plane.admin]
    process = subprocess.Popen(command, stdout=-1, stderr=-1, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_what_happens_is_printed_while_it_happens_and_ends_cleanly(plane, client, eventually) -> None:
    with watching(plane, "shop/cart", "-o", "json") as process:
        assert process.stdout is not None
        numbers = iter(range(10, 250))

        def change() -> bool:
            """Until it reads: what was before is not sent."""
            plane.write("cart.json", service("cart", f"10.1.7.{next(numbers)}"))
            return False

        selector = selectors.DefaultSelector()
        selector.register(process.stdout, selectors.EVENT_READ)
        await eventually(lambda: selector.select(0.5) or change(), 60)
        event = json.loads(process.stdout.readline())
        assert event["event"] == "change"
        assert event["data"]["services"][0]["service"] == "shop/cart"
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
        assert process.returncode == 0
        assert complaint == f"pilothouse: watching shop/cart at {plane.admin}; Ctrl-C ends it\n"


def test_nobody_to_watch_is_one_line() -> None:
    command = [str(PROGRAM), "watch", "--admin", "127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "pilothouse: 127.0.0.1:1: connection refused"


def test_without_a_terminal_the_live_view_is_one_frame(plane) -> None:
    said = plane.run("top")
    assert said.startswith("pilothouse ")
    assert "serves   1 service, 2 endpoints" in said
    assert re.search("^files +ok ", said, re.MULTILINE)
    assert "\x1b" not in said


async def test_a_bug_report_has_what_helps_and_says_what_is_in_it(plane, client, tmp_path) -> None:
    await synced(client, "web-7")
    rejecting = await client("web-8")
    await rejecting.ask(CLUSTER)
    await rejecting.accept(await rejecting.read(), error="no such thing")
    file, log = tmp_path / "report.tar.gz", tmp_path / "log"
    log.write_text("first\nlast\n")
    said = plane.run("bug-report", str(file), "--log", str(log))
    assert said.endswith(f"written to {file}\n")
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        found = {
            Path(each.name).relative_to("pilothouse-bug-report"): archive.extractfile(each).read()
            for each in archive.getmembers()
        }
    names = {str(name) for name in found}
    assert {"changes.json", "notes.json", "drains.json"} <= names
    assert {"services.json", "endpoints.json", "propagation.json"} <= names
    assert {"behind/0.json", "behind/0-diff.json", "behind/0-resources.json"} <= names
    inside = {name: json.loads(found[Path(f"{name}.json")]) for name in ("services", "endpoints", "behind/0")}
    assert [(each["namespace"], each["name"]) for each in inside["services"]["items"]] == [("shop", "cart")]
    assert {each["address"] for each in inside["endpoints"]["items"]} == {"10.1.7.8", "10.1.7.9"}
    assert (inside["behind/0"]["node"], inside["behind/0"]["state"]) == ("web-8", "NACKED")
    assert "settings.json" not in names, "nothing here says what to serve"
    assert {"manifest.json", "status.json", "proxies.json", "nacks.json", "metrics.txt", "log.txt"} <= names
    listed = json.loads(found[Path("manifest.json")])
    assert {each["file"] for each in listed} == names - {"manifest.json"}
    assert {row["node"] for row in json.loads(found[Path("proxies.json")])["items"]} == {"web-7", "web-8"}
    assert b"pilothouse_services" in found[Path("metrics.txt")]
    again = plane.run("bug-report", str(file), status=2)
    assert "file exists" in again


async def test_what_was_rejected_is_noted_though_it_is_over(plane, client, eventually) -> None:
    stream = await synced(client, "web-7")
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await stream.accept(await stream.read(), error="no such thing")
    plane.write("cart.json", service("cart", "10.1.7.9"))
    await stream.names()
    await eventually(lambda: not plane.get("nacks")["items"])
    [line] = [each for each in plane.run("notes", "--since", "5m").splitlines() if "no such thing" in each]
    assert "nack" in line
    assert "web-7" in line
