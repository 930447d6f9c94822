#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Tries a wheel in fresh environments: `make wheel` runs it.  What is used beside the wheel comes from PyPI.
#
#	t/python/wheel.sh WHEEL PYTHON...
#
# For each PYTHON: pip install of the wheel, a program with threads under `python -m arenite run --stats`, the
# functions of the module, prometheus_client's exposition parsed by its own parser, OpenTelemetry's SDK with a reader in
# memory, and uvicorn, which answers /metrics while it is loaded.
# shellcheck disable=SC2317 # functions are called by name
set -u
: "${top_srcdir:=.}"
# shellcheck source=t/support/tap.sh
. "$top_srcdir/t/support/tap.sh"
top=$(cd "$top_srcdir" && pwd)
[ $# -ge 2 ] || { echo "usage: t/python/wheel.sh WHEEL PYTHON..." >&2; exit 2; }
wheel=$(realpath "$1")
shift
for name in LD_PRELOAD ${!ARENITE_*} ${!PYTHON*}; do
	unset "$name"
done

cat >"$work/threads.py" <<'END'
import threading
def fill(rows):
    for i in range(100_000):
        rows.append({"number": i, "text": str(i)})
boxes = [[] for _ in range(4)]
threads = [threading.Thread(target=fill, args=(box,)) for box in boxes]
for t in threads: t.start()
for t in threads: t.join()
assert sum(map(len, boxes)) == 400_000
print("filled")
END
cat >"$work/scraped.py" <<'END'
import threading
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
import arenite._metrics
from arenite.prometheus import Collector

kept = [str(i) for i in range(100_000)]
REGISTRY.register(Collector())

def judge(families):
    families = {family.name: family for family in families}
    live = {s.labels["tag"]: s.value for s in families["arenite_live_bytes"].samples}
    causes = {s.labels["cause"] for s in families["arenite_resident_bytes"].samples}
    assert live["object"] > 4_000_000 and "retained" in causes, (live, causes)
    assert families["arenite_active"].samples[0].value == 1
    assert families["arenite_purged_bytes"].type == "counter"
    assert families["arenite_purged_bytes"].samples[0].name == "arenite_purged_bytes_total"

judge(parse(generate_latest(REGISTRY).decode()))
judge(parse_openmetrics(generate_openmetrics(REGISTRY).decode()))
judge(parse(arenite._metrics.exposition("")[0].decode()))
judge(parse_openmetrics(arenite._metrics.exposition("application/openmetrics-text")[0].decode()))
print("parsed")
END
cat >"$work/measured.py" <<'END'
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
import arenite.otel

reader = InMemoryMetricReader()
instruments = arenite.otel.instrument(MeterProvider(metric_readers=[reader]).get_meter("test"))

def read():
    scopes = [s for r in reader.get_metrics_data().resource_metrics for s in r.scope_metrics]
    return {m.name: m for s in scopes for m in s.metrics}
def values(metric, label):
    return {point.attributes[label]: point.value for point in metric.data.data_points}

before = values(read()["arenite.live"], "tag")
kept = [str(i) for i in range(100_000)]
metrics = read()
live = values(metrics["arenite.live"], "tag")
assert live["object"] - before["object"] > 4_000_000, (before, live)
assert metrics["arenite.live"].unit == "By" and metrics["arenite.live_blocks"].unit == "1"
assert "retained" in values(metrics["arenite.resident"], "cause")
assert metrics["arenite.purged"].data.is_monotonic
assert metrics["arenite.active"].data.data_points[0].value == 1
assert len(metrics) == len(instruments), (len(metrics), len(instruments))
print("measured")
END
cat >"$work/service.py" <<'END'
import json
import arenite.asgi

async def app(scope, receive, send):
    if scope["type"] != "http" or scope["path"].startswith("/arenite"):
        return await arenite.asgi.app({**scope, "root_path": "/arenite"}, receive, send)
    body = json.dumps([{"number": i, "text": str(i)} for i in range(1000)]).encode()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
END
cat >"$work/load.py" <<'END'
"""load.py PORT: four threads ask for the service's pages while the main thread asks for /metrics."""
import sys, threading, time, urllib.request
from prometheus_client.parser import text_string_to_metric_families as parse

url = f"http://127.0.0.1:{sys.argv[1]}"
def get(path):
    with urllib.request.urlopen(url + path, timeout=30) as answer:
        return answer.read().decode()
for _ in range(300):
    try:
        get("/")
        break
    except OSError:
        time.sleep(0.1)
end, pages, failed = time.monotonic() + 3, [], []
def load():
    while time.monotonic() < end:
        try:
            pages.append(len(get("/")))
        except OSError as error:
            failed.append(error)
threads = [threading.Thread(target=load) for _ in range(4)]
for t in threads: t.start()
scrapes = 0
while time.monotonic() < end or scrapes <= 5:
    families = {family.name: family for family in parse(get("/arenite/metrics"))}
    assert families["arenite_active"].samples[0].value == 1
    assert sum(s.value for s in families["arenite_live_bytes"].samples) > 1_000_000
    scrapes += 1
    time.sleep(0.05)
for t in threads: t.join()
assert not failed, failed
assert len(set(pages)) == 1
print(f"{len(pages)} pages, {scrapes} scrapes")
END

prints() { # WANTED COMMAND...: the last line of what it prints
	local want=$1
	timeout 120 "${@:2}" >"$work/out" 2>"$work/err" && [ "$(tail -n 1 "$work/out")" = "$want" ]
}

has_table() { grep -q 'mem served, object served' "$work/err" && grep -q 'resident: all' "$work/err"; }

serves() { # PYTHON PORT
	timeout 120 "$1" -m arenite run -m uvicorn --port "$2" --log-level warning --app-dir "$work" \
		service:app >"$work/server" 2>&1 &
	local server=$!
	timeout 60 "$1" "$work/load.py" "$2" >"$work/out" 2>"$work/err"
	local status=$?
	kill $server
	wait $server
	cat "$work/server" >>"$work/err"
	return $status
}

module_checks() { # PYTHON active|absent
	local run=()
	[ "$2" = absent ] || run=(-m arenite run)
	timeout 120 "$1" "${run[@]}" "$top/t/python/module.py" "$2" >"$work/out" 2>"$work/err" &&
		! grep -q '^not ok' "$work/out" && grep -q '^ok' "$work/out"
}

port=$((20000 + $$ % 10000))
for python; do
	name=$("$python" -c 'import platform, sys; print(platform.python_version() + getattr(sys, "abiflags", ""))')
	rm -rf "$work/env"
	begin=$(date +%s%N)
	"$python" -m venv "$work/env" >"$work/out" 2>"$work/err"
	result $? "$name: a fresh environment"
	own=$work/env/bin/python
	created=$(date +%s%N)
	"$work/env/bin/pip" install -q --disable-pip-version-check "$wheel" >"$work/out" 2>"$work/err"
	result $? "$name: pip install"
	ok "$name: a program with threads" prints filled "$own" -m arenite run --stats "$work/threads.py"
	ok "$name: and its table" has_table
	echo "# $name: pip install and the first table: $((($(date +%s%N) - created) / 1000000)) ms;" \
		"the environment before: $(((created - begin) / 1000000)) ms"
	ok "$name: the command alone" prints filled "$work/env/bin/arenite" run "$work/threads.py"
	ok "$name: the module, active" module_checks "$own" active
	ok "$name: the module, absent" module_checks "$own" absent
	"$work/env/bin/pip" install -q --disable-pip-version-check prometheus_client uvicorn opentelemetry-sdk \
		>"$work/out" 2>"$work/err"
	result $? "$name: prometheus_client, uvicorn and opentelemetry-sdk from PyPI"
	ok "$name: what the collector gives is parsed by prometheus_client" \
		prints parsed "$own" -m arenite run "$work/scraped.py"
	ok "$name: the instruments are read by OpenTelemetry's SDK" \
		prints measured "$own" -m arenite run "$work/measured.py"
	ok "$name: uvicorn answers /metrics while it is loaded" serves "$own" $((port++))
	echo "# $(cat "$work/out")"
done
done_testing
