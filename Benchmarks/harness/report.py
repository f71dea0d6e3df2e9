"""Medians, spreads and paired ratios, as Markdown and as JSON."""

import json
import os
import platform
import statistics
import time

from .workloads import ALL, GROUPS

MEGABYTE = 1024 * 1024


def values(cells):
    return {index: cell["value"] for index, cell in enumerate(cells) if "value" in cell}


def reference(rows):
    """HAProxy's better setting: the variant with the smaller median. Its switched-off tickets are a
    row of their own, not the reference: with them it would do less than what is compared."""
    candidates = [name for name in ("haproxy", "haproxy, splice") if values(rows.get(name, []))]
    return min(candidates, key=lambda name: statistics.median(values(rows[name]).values()),
               default=None)


def ratios(cells, against):
    """Ratios within each round: what disturbs a round disturbs both of its sides."""
    ours, theirs = values(cells), values(against)
    return [ours[index] / theirs[index] for index in ours if theirs.get(index, 0) > 0]


def number(value):
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def rate(workload, cells):
    median = statistics.median(cell["rate"] for cell in cells if "rate" in cell)
    return f"{median / 1e9:.2f} GB/s" if workload.scale == 1e9 else f"{median:,.0f}/s"


def reason_without(cells):
    """Why there is no number; None where there are numbers and no doubt about them."""
    invalid = [cell["invalid"] for cell in cells if "invalid" in cell]
    left_out = [cell["leftOut"] for cell in cells if "leftOut" in cell]
    if not invalid and not left_out and values(cells):
        return None
    text = f"INVALID: {invalid[0]}" if invalid else left_out[0] if left_out else "no value"
    return text.replace("\n", " ").replace("|", "/")[:160]


def paired(cells, against):
    """The median of the ratios within the rounds, and their range."""
    found = ratios(cells, against)
    if not found:
        return ""
    return f"{statistics.median(found):.2f} ({min(found):.2f} – {max(found):.2f})"


def medians(cells, read):
    return statistics.median(read(cell) for cell in cells if "value" in cell)


def spread(cells):
    found = values(cells).values()
    return f"{number(statistics.median(found))} | {number(min(found))} – {number(max(found))}"


SIZES_HEAD = ["| size | peer | µs per connection | min – max | × HAProxy | × its own with 1 |"
              " start, s | resident, MB |", "|---|---|---:|---:|---:|---:|---:|---:|"]


def sizes_row(workload, name, cells, rows, results):
    """A large configuration, beside HAProxy with the same and beside the proxy's own smallest."""
    head = f"| {workload.title} | {name} |"
    reason = reason_without(cells)
    if reason:
        return f"{head} {reason} | | | | | |"
    own = results.get(f"{workload.family}-1", {}).get(name, [])
    return (f"{head} {spread(cells)} | {paired(cells, rows.get('haproxy', []))} |"
            f" {paired(cells, own)} | {number(medians(cells, lambda cell: cell['startSeconds']))} |"
            f" {medians(cells, lambda cell: cell['residentBytes']) / MEGABYTE:.0f} |")


FLOOD_HEAD = ["| workload | peer | alone: p50 | p99 | p99.9 µs | flooded: p50 | p99 | p99.9 µs |"
              " p99: min – max | p99 × alone | p99 × HAProxy | handshakes |",
              "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]


def flood_row(workload, name, cells, rows, results):
    head = f"| {workload.title} | {name} |"
    reason = reason_without(cells)
    if reason:
        return f"{head} {reason} | | | | | | | | | |"
    percentiles = [number(medians(cells, lambda cell, part=part, which=which: cell[part][which]))
                   for part in ("quiet", "flooded") for which in ("p50", "p99", "p999")]
    alone = [{"value": cell["quiet"]["p99"]} if "quiet" in cell else cell for cell in cells]
    return (f"{head} {' | '.join(percentiles)} | {spread(cells).split(' | ')[1]} |"
            f" {paired(cells, alone)} | {paired(cells, rows.get('haproxy', []))} |"
            f" {rate(workload, cells)} |")


NOISY_HEAD = ["| noise | peer | echo alone: p50 | p99 µs | beside noise: p50 | p99 µs | p99 more, µs |"
              " min – max | new alone: p99 ms | beside noise: p50 | p99 ms | failed | noise |",
              "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]


def noisy_row(workload, name, cells, rows, results):
    head = f"| {workload.title} | {name} |"
    reason = reason_without(cells)
    if reason:
        return f"{head} {reason} | | | | | | | | | | |"

    def found(part, which, scale=1):
        return number(medians(cells, lambda cell: cell[part][which] / scale))

    failed = sum(cell["noisyArrivals"]["failed"] for cell in cells)
    tried = failed + sum(cell["noisyArrivals"]["units"] for cell in cells)
    return (f"{head} {found('quiet', 'p50')} | {found('quiet', 'p99')} | {found('noisy', 'p50')} |"
            f" {found('noisy', 'p99')} | {spread(cells)} | {found('quietArrivals', 'p99', 1000)} |"
            f" {found('noisyArrivals', 'p50', 1000)} | {found('noisyArrivals', 'p99', 1000)} |"
            f" {failed} of {tried} | {rate(workload, cells)} |")


def row(workload, name, cells, rows, against):
    reason = reason_without(cells)
    if reason:
        return f"| {workload.title}, {workload.unit} | {name} | {reason} | | | |"
    ratio = "1" if name == against else paired(cells, rows[against]) if against else ""
    return (f"| {workload.title}, {workload.unit} | {name} | {spread(cells)} | {ratio} |"
            f" {rate(workload, cells)} |")


TABLES = {"scale": (SIZES_HEAD, sizes_row), "flood": (FLOOD_HEAD, flood_row),
          "noisy": (NOISY_HEAD, noisy_row)}


def markdown(results, facts):
    """`results`: workload name -> peer name -> list of cells, one a round."""
    beside = facts.get("reference", "HAProxy")
    lines = ["# Strait and its peers", ""]
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    lines += ["", "Median over the rounds, smallest and largest. The ratio is the median (and range)"
              " of the ratios within",
              f"each round to {facts.get('reference', 'the better setting of HAProxy')}. The rate is"
              " for information: two cores share the work.", ""]
    for group, title in GROUPS.items():
        chosen = [workload for workload in ALL
                  if workload.group == group and workload.name in results]
        if not chosen:
            continue
        lines += [f"## {title}", ""]
        if group in TABLES:
            head, one = TABLES[group]
            lines += head + [one(workload, name, cells, results[workload.name], results)
                             for workload in chosen
                             for name, cells in results[workload.name].items()] + [""]
            continue
        lines += [f"| workload, unit | peer | median | min – max | × {beside} | rate |",
                  "|---|---|---:|---:|---:|---:|"]
        for workload in chosen:
            rows = results[workload.name]
            against = facts.get("reference") or reference(rows)
            lines += [row(workload, name, cells, rows, against) for name, cells in rows.items()]
        lines.append("")
    lines += disturbance(results)
    return "\n".join(lines) + "\n"


def disturbance(results):
    """How much the machine did beside the measurement, so that a reader can judge the spread."""
    cells = [cell for rows in results.values() for row_cells in rows.values()
             for cell in row_cells if "foreignSeconds" in cell]
    if not cells:
        return []
    foreign = [cell["foreignSeconds"] / (2 * cell["wallSeconds"]) for cell in cells]
    stolen = [cell["stolenSeconds"] / (2 * cell["wallSeconds"]) for cell in cells]
    softirq = [cell["softirqSeconds"] / max(cell["proxySeconds"], 1e-9) for cell in cells]
    return [
        "Disturbance: other processes took "
        f"{statistics.median(foreign):.0%} of both cores (median; at most {max(foreign):.0%}), the "
        f"hypervisor {statistics.median(stolen):.0%} (at most {max(stolen):.0%}); the "
        "soft interrupt thread of the proxy's core, counted as the proxy's, did "
        f"{statistics.median(softirq):.0%} beside the proxy's own time (at most "
        f"{max(softirq):.0%})."]


def facts(peers, arguments, rounds):
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                     platform.machine())
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as file:
        congestion = file.read().strip()
    found = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, "
                   f"TCP {congestion}",
        "command": "Benchmarks/run " + " ".join(arguments),
        "rounds": rounds,
    }
    return found | {peer.name: peer.version() for peer in peers if "," not in peer.name}


def save(path, results, found):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w") as file:
        if path.endswith(".json"):
            json.dump({"facts": found, "results": results}, file, indent=1)
        else:
            file.write(markdown(results, found))
